//! The client of one store, by the scheme of its URL, with the settings that the store's own tools read from the
//! environment.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::TryStreamExt;
use image_data::remote::{Object, ObjectStore};
use object_store::aws::AmazonS3Builder;
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::http::HttpBuilder;
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, ObjectMeta, ObjectStoreExt, RetryConfig,
};
use tokio::runtime::Runtime;

/// For one request; a read is a megabyte or an image.
const TIMEOUT: Duration = Duration::from_secs(20);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// A server's answer is told as far as this.
const ANSWER_CHARS: usize = 200;

/// A prefix of a store.
struct Client {
    store: Arc<dyn object_store::ObjectStore>,
    prefix: Key,
    runtime: &'static Runtime,
}

/// The client for a URL.
pub(super) fn connect(url: &str) -> io::Result<Arc<dyn ObjectStore>> {
    // Only the first has an effect, and any provider is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = runtime()?;
    let invalid = |expected: &str| {
        let reason = format!("{url}: expected {expected}");
        io::Error::new(io::ErrorKind::InvalidInput, reason)
    };
    let (scheme, rest) = url
        .split_once("://")
        .ok_or_else(|| invalid("s3://, gs://, az:// or https://"))?;
    let (place, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    if place.is_empty() {
        return Err(invalid("the name of a bucket, a container or a host"));
    }
    let built = match scheme {
        "s3" | "s3a" => s3(place, runtime),
        "gs" | "gcs" => GoogleCloudStorageBuilder::from_env()
            .with_bucket_name(place)
            .with_client_options(options().with_allow_http(is_http("GOOGLE_BASE_URL")))
            .with_retry(retry())
            .build()
            .map(shared),
        "az" | "azure" | "abfs" | "abfss" => MicrosoftAzureBuilder::from_env()
            .with_url(url)
            .with_client_options(options().with_allow_http(true))
            .with_retry(retry())
            .build()
            .map(shared),
        "http" | "https" => HttpBuilder::new()
            .with_url(format!("{scheme}://{place}"))
            .with_client_options(options().with_allow_http(scheme == "http"))
            .with_retry(retry())
            .build()
            .map(shared),
        _ => return Err(invalid("s3://, gs://, az:// or https://")),
    };
    // An Azure URL may name the account in front of the container's path; the builder takes that apart.
    let prefix = match (scheme, place.split_once('@')) {
        ("abfs" | "abfss", Some(_)) | (_, None) => prefix,
        _ => return Err(invalid("no user name in front of the host")),
    };
    Ok(Arc::new(Client {
        store: built.map_err(|error| said(&error))?,
        prefix: Key::parse(prefix.trim_matches('/'))
            .map_err(|_| invalid("a prefix of plain parts"))?,
        runtime,
    }))
}

/// Whether the environment names a server that is spoken to without TLS: one on this machine.
fn is_http(variable: &str) -> bool {
    std::env::var(variable).is_ok_and(|url| url.starts_with("http://"))
}

fn shared<T: object_store::ObjectStore>(store: T) -> Arc<dyn object_store::ObjectStore> {
    Arc::new(store)
}

/// Keys and region: the environment, then what `aws configure` wrote, then the machine's own role.
fn s3(bucket: &str, runtime: &Runtime) -> object_store::Result<Arc<dyn object_store::ObjectStore>> {
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let mut builder = AmazonS3Builder::from_env()
        .with_bucket_name(bucket)
        .with_retry(retry());
    let profile = super::aws_files::read();
    if !is_set("AWS_ACCESS_KEY_ID")
        && let (Some(id), Some(secret)) = (profile.key_id, profile.secret)
    {
        builder = builder
            .with_access_key_id(id)
            .with_secret_access_key(secret);
        if let Some(token) = profile.token {
            builder = builder.with_token(token);
        }
    }
    let endpoint = ["AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"]
        .iter()
        .find_map(|name| std::env::var(name).ok().filter(|value| !value.is_empty()));
    let allows_http = endpoint
        .as_deref()
        .is_some_and(|url| url.starts_with("http://"));
    builder = builder.with_client_options(options().with_allow_http(allows_http));
    if let Some(endpoint) = &endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    if !is_set("AWS_REGION") && !is_set("AWS_DEFAULT_REGION") {
        if let Some(region) = profile.region {
            builder = builder.with_region(region);
        } else if endpoint.is_none() {
            // A bucket says where it is; where it does not, the first request tells what is wrong.
            let options = options();
            let asked = object_store::aws::resolve_bucket_region(bucket, &options);
            if let Ok(region) = runtime.block_on(asked) {
                builder = builder.with_region(region);
            }
        }
    }
    builder.build().map(shared)
}

fn options() -> ClientOptions {
    ClientOptions::new()
        .with_timeout(TIMEOUT)
        .with_connect_timeout(CONNECT_TIMEOUT)
}

/// Short: whoever reads tries again too.
fn retry() -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
            base: 2.0,
        },
        max_retries: 4,
        retry_timeout: Duration::from_secs(60),
    }
}

/// One for all stores of this process. Its threads move bytes; what waits is the caller.
fn runtime() -> io::Result<&'static Runtime> {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    if let Some(runtime) = RUNTIME.get() {
        return Ok(runtime);
    }
    let made = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("store")
        .enable_all()
        .build()?;
    Ok(RUNTIME.get_or_init(|| made))
}

impl Client {
    fn full(&self, key: &str) -> io::Result<Key> {
        let text = match self.prefix.as_ref() {
            "" => key.to_owned(),
            prefix => format!("{prefix}/{key}"),
        };
        Key::parse(&text).map_err(|_| {
            let reason = format!("{text}: expected a key of plain parts");
            io::Error::new(io::ErrorKind::InvalidInput, reason)
        })
    }

    fn object(&self, meta: ObjectMeta) -> Option<Object> {
        let mut parts = meta.location.prefix_match(&self.prefix)?;
        let key = parts
            .by_ref()
            .map(|part| part.as_ref().to_owned())
            .collect::<Vec<_>>()
            .join("/");
        // The prefix itself, as some tools mark a folder.
        (!key.is_empty()).then(|| Object {
            key,
            length: meta.size,
            version: meta
                .e_tag
                .unwrap_or_else(|| meta.last_modified.to_rfc3339()),
        })
    }
}

impl ObjectStore for Client {
    fn list(&self) -> io::Result<Vec<Object>> {
        let listed = self.store.list(Some(&self.prefix)).try_collect::<Vec<_>>();
        let metas = self
            .runtime
            .block_on(listed)
            .map_err(|error| said(&error))?;
        Ok(metas
            .into_iter()
            .filter_map(|meta| self.object(meta))
            .collect())
    }

    fn find(&self, key: &str) -> io::Result<Option<Object>> {
        let full = self.full(key)?;
        match self.runtime.block_on(self.store.head(&full)) {
            Ok(meta) => Ok(self.object(meta)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(said(&error)),
        }
    }

    fn read(&self, object: &Object, offset: u64, length: u64) -> io::Result<Vec<u8>> {
        let full = self.full(&object.key)?;
        // Bytes of another version must not be mixed with those of the one that was listed.
        let is_tag = object.version.starts_with('"') || object.version.starts_with("W/");
        let options = GetOptions {
            range: Some((offset..offset + length).into()),
            if_match: is_tag.then(|| object.version.clone()),
            ..GetOptions::default()
        };
        let read = async { self.store.get_opts(&full, options).await?.bytes().await };
        let bytes = self.runtime.block_on(read).map_err(|error| said(&error))?;
        Ok(bytes.to_vec())
    }
}

/// A store's failure in a sentence: what it means, and the server's own words, cut short.
fn said(error: &object_store::Error) -> io::Error {
    use object_store::Error;
    let (kind, what) = match error {
        Error::NotFound { .. } => (io::ErrorKind::NotFound, "no such object"),
        Error::Precondition { .. } => (
            io::ErrorKind::InvalidData,
            "expected the version that was listed, got another: the data changed",
        ),
        Error::PermissionDenied { .. } | Error::Unauthenticated { .. } => (
            io::ErrorKind::PermissionDenied,
            "the store refuses access; give it keys (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, GOOGLE_SERVICE_ACCOUNT, \
             AZURE_STORAGE_ACCOUNT_KEY), or AWS_SKIP_SIGNATURE=true for a bucket that is open to all",
        ),
        _ => (
            io::ErrorKind::Other,
            "the store did not answer as it should",
        ),
    };
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let cause = model_core::text::short_line(cause, ANSWER_CHARS);
    io::Error::new(kind, format!("{what} ({cause})"))
}
