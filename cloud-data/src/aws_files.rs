//! The keys that `aws configure` writes: `~/.aws/credentials` and `~/.aws/config`, as far as they hold plain keys and a
//! region. Single sign-on and processes that make keys are not read: `aws configure export-credentials --format env` turns
//! them into environment variables, which are.

use std::collections::HashMap;
use std::path::PathBuf;

/// What the files say about one profile.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Profile {
    pub key_id: Option<String>,
    pub secret: Option<String>,
    pub token: Option<String>,
    pub region: Option<String>,
}

/// The profile that `AWS_PROFILE` names, or `default`.
pub(super) fn read() -> Profile {
    let name = std::env::var("AWS_PROFILE").unwrap_or_else(|_| "default".to_owned());
    let file = |variable: &str, name: &str| {
        let path = std::env::var_os(variable).map(PathBuf::from).or_else(|| {
            let home = etcetera::home_dir().ok()?;
            Some(home.join(".aws").join(name))
        });
        path.and_then(|path| std::fs::read_to_string(path).ok())
            .unwrap_or_default()
    };
    parse(
        &name,
        &file("AWS_SHARED_CREDENTIALS_FILE", "credentials"),
        &file("AWS_CONFIG_FILE", "config"),
    )
}

fn parse(name: &str, credentials: &str, config: &str) -> Profile {
    let keys = section(credentials, &[name]);
    let settings = section(config, &[name, &format!("profile {name}")]);
    let get = |key: &str| keys.get(key).or_else(|| settings.get(key)).cloned();
    Profile {
        key_id: get("aws_access_key_id"),
        secret: get("aws_secret_access_key"),
        token: get("aws_session_token"),
        region: get("region"),
    }
}

fn section(text: &str, names: &[&str]) -> HashMap<String, String> {
    let mut is_ours = false;
    let mut found = HashMap::new();
    for line in text.lines().map(str::trim) {
        if let Some(heading) = line
            .strip_prefix('[')
            .and_then(|line| line.strip_suffix(']'))
        {
            is_ours = names.contains(&heading.trim());
        } else if let (true, Some((key, value))) = (is_ours, line.split_once('=')) {
            found.insert(key.trim().to_ascii_lowercase(), value.trim().to_owned());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_takes_its_keys_from_one_file_and_its_region_from_the_other() {
        let credentials = "[default]\naws_access_key_id = A\naws_secret_access_key=B\n\n[work]\naws_access_key_id=C\n";
        let config = "[default]\nregion = eu-central-1\n[profile work]\nregion=us-west-2\n# x\n";
        let default = parse("default", credentials, config);
        assert_eq!(default.key_id.as_deref(), Some("A"));
        assert_eq!(default.secret.as_deref(), Some("B"));
        assert_eq!(default.region.as_deref(), Some("eu-central-1"));
        let work = parse("work", credentials, config);
        assert_eq!((work.key_id.as_deref(), work.secret), (Some("C"), None));
        assert_eq!(work.region.as_deref(), Some("us-west-2"));
        assert_eq!(parse("other", credentials, config), Profile::default());
    }
}
