//! Linux: light or dark, as the desktop portal says (`org.freedesktop.appearance`, `color-scheme`), now and at every
//! change.
//!
//! winit does not ask on Linux. Without a portal the answer stays light.

use std::future::poll_fn;
use std::pin::Pin;

use zbus::export::futures_core::Stream as _;
use zbus::zvariant::{OwnedValue, Value};

const NAMESPACE: &str = "org.freedesktop.appearance";
const KEY: &str = "color-scheme";

/// Watches in a thread of its own for as long as the program lives.
pub(super) fn watch(changed: impl Fn(bool) + Send + 'static) {
    // No bus, no portal: the window stays light. There is nothing to tell the user.
    drop(
        std::thread::Builder::new()
            .name("appearance".into())
            .spawn(move || pollster::block_on(follow(&changed))),
    );
}

async fn follow(changed: &dyn Fn(bool)) -> zbus::Result<()> {
    let bus = zbus::Connection::session().await?;
    let portal = "org.freedesktop.portal.Desktop";
    let settings = zbus::Proxy::new(
        &bus,
        portal,
        "/org/freedesktop/portal/desktop",
        "org.freedesktop.portal.Settings",
    )
    .await?;
    let mut signals = settings.receive_signal("SettingChanged").await?;
    let now: OwnedValue = settings.call("Read", &(NAMESPACE, KEY)).await?;
    if let Some(dark) = is_dark(&now) {
        changed(dark);
    }
    while let Some(signal) = poll_fn(|context| Pin::new(&mut signals).poll_next(context)).await {
        let body = signal.body();
        let Ok((namespace, key, value)) = body.deserialize::<(String, String, OwnedValue)>() else {
            continue;
        };
        if (namespace.as_str(), key.as_str()) == (NAMESPACE, KEY)
            && let Some(dark) = is_dark(&value)
        {
            changed(dark);
        }
    }
    Ok(())
}

/// 1 is "prefer dark"; 0 (no preference) and 2 are light. `Read` wraps the number twice.
fn is_dark(value: &Value<'_>) -> Option<bool> {
    match value {
        Value::U32(scheme) => Some(*scheme == 1),
        Value::Value(inner) => is_dark(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_however_deep() {
        assert_eq!(is_dark(&Value::U32(1)), Some(true));
        assert_eq!(is_dark(&Value::U32(2)), Some(false));
        assert_eq!(
            is_dark(&Value::Value(Box::new(Value::Value(Box::new(Value::U32(
                1
            )))))),
            Some(true)
        );
        assert_eq!(is_dark(&Value::from("dark")), None);
    }
}
