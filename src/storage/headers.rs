//! What each request of a bucket says beside what it asks for, as the `s3` section wants it. Neither client has settings for
//! all of it, so both are told here, operation by operation.

use super::config::S3Config;
use super::credentials::Told;
use super::encryption::Encryption;
use super::operation::Operation;
use etl_sdk::{Error, Result};
use object_store::CredentialProvider;
use object_store::aws::AwsAuthorizer;
use object_store::client::{HttpError, HttpErrorKind, HttpRequest};
use reqwest::header::{AUTHORIZATION, HeaderName, HeaderValue};

const OWNER: &str = "x-amz-expected-bucket-owner";
const PAYER: &str = "x-amz-request-payer";
const STORAGE_CLASS: &str = "x-amz-storage-class";
const ENCRYPTION: &str = "x-amz-server-side-encryption";
const KMS_KEY: &str = "x-amz-server-side-encryption-aws-kms-key-id";
const BUCKET_KEY: &str = "x-amz-server-side-encryption-bucket-key-enabled";
const CONTENT_HASH: &str = "x-amz-content-sha256";
const TOKEN: &str = "x-amz-security-token";

/// In place of a hash of the body, where the environment asks for that.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

/// A header; its name is in lower case.
type Header = (&'static str, HeaderValue);

/// The headers of requests, by what they ask for.
#[derive(Clone, Debug, Default)]
pub(super) struct Headers {
    of_all: Vec<Header>,
    /// Of what makes an object.
    encryption: Vec<Header>,
    /// Of an upload in parts: what is published is made so, and nothing else is.
    storage_class: Option<Header>,
}

impl Headers {
    pub(super) fn new(s3: &S3Config) -> Result<Self> {
        let header = |name: &'static str, text: &str| {
            let value = HeaderValue::try_from(text);
            value
                .map(|value| (name, value))
                .map_err(|error| Error::config("make a header").with("value", text).source(error))
        };
        let mut of_all = Vec::new();
        if let Some(owner) = &s3.expected_bucket_owner {
            of_all.push(header(OWNER, owner)?);
        }
        if s3.requester_pays {
            of_all.push(header(PAYER, "requester")?);
        }
        let encryption = match &s3.encryption {
            None => Vec::new(),
            Some(Encryption::S3) => vec![header(ENCRYPTION, "AES256")?],
            Some(Encryption::Kms(kms)) => {
                let bucket_key = kms.bucket_key.map(|is_on| if is_on { "true" } else { "false" });
                let mut headers = vec![header(ENCRYPTION, "aws:kms")?, header(KMS_KEY, &kms.kms_key)?];
                headers.extend(bucket_key.map(|is_on| header(BUCKET_KEY, is_on)).transpose()?);
                headers
            }
        };
        let storage_class = s3.storage_class.as_deref().map(|class| header(STORAGE_CLASS, class)).transpose()?;
        Ok(Self { of_all, encryption, storage_class })
    }

    /// Those of a request.
    pub(super) fn of(&self, operation: Operation) -> impl Iterator<Item = &Header> {
        let encryption = if operation.makes_an_object() { self.encryption.as_slice() } else { &[] };
        let is_upload = operation == Operation::CreateMultipartUpload;
        self.of_all.iter().chain(encryption).chain(self.storage_class.iter().filter(move |_| is_upload))
    }

    /// Those that [`Headers::of`] replaces: what the environment says of encryption does not mix with what the job says.
    pub(super) fn replaced(&self) -> &'static [&'static str] {
        if self.encryption.is_empty() { &[] } else { &[ENCRYPTION, KMS_KEY, BUCKET_KEY] }
    }

    /// Adds them to a request of `object_store`, which is signed already: it is signed again, for S3 refuses those of its
    /// headers that no signature covers.
    pub(super) async fn add_to(
        &self,
        request: &mut HttpRequest,
        operation: Operation,
        signer: Option<&Signer>,
    ) -> std::result::Result<(), HttpError> {
        let mut wanted = self.of(operation).peekable();
        if wanted.peek().is_none() {
            return Ok(());
        }
        let headers = request.headers_mut();
        for name in self.replaced() {
            headers.remove(*name);
        }
        for (name, value) in wanted {
            headers.insert(HeaderName::from_static(name), value.clone());
        }
        match signer {
            Some(signer) => signer.sign(request).await,
            None => Ok(()),
        }
    }
}

/// Signs requests of one bucket.
#[derive(Clone, Debug)]
pub(super) struct Signer {
    pub(super) credentials: Told,
    pub(super) region: String,
}

impl Signer {
    /// Signs a request that was signed before.
    async fn sign(&self, request: &mut HttpRequest) -> std::result::Result<(), HttpError> {
        let credential =
            self.credentials.get_credential().await.map_err(|error| HttpError::new(HttpErrorKind::Unknown, error))?;
        let headers = request.headers_mut();
        // The credentials may be newer than those of the first signature, and have no token.
        headers.remove(TOKEN);
        headers.remove(AUTHORIZATION);
        let hash = headers.get(CONTENT_HASH).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let (is_hashed, digest) = (hash != UNSIGNED, digest_of(hash));
        let authorizer = AwsAuthorizer::new(&credential, "s3", &self.region).with_sign_payload(is_hashed);
        authorizer.authorize(request, digest.as_deref());
        Ok(())
    }
}

/// The bytes of a hash in hexadecimal digits; `None` when the text is none.
fn digest_of(hash: &str) -> Option<Vec<u8>> {
    let pair = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    (hash.len() == 64).then(|| hash.as_bytes().chunks(2).map(pair).collect()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn headers(s3: Value) -> Headers {
        Headers::new(&serde_json::from_value(s3).unwrap()).unwrap()
    }

    fn said(headers: &Headers, operation: Operation) -> Vec<String> {
        headers.of(operation).map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect()
    }

    #[test]
    fn what_makes_an_object_says_how_it_is_kept() {
        let all = headers(json!({
            "encryption": {"kms_key": "alias/etl", "bucket_key": true},
            "storage_class": "STANDARD_IA",
            "requester_pays": true,
            "expected_bucket_owner": "123456789012",
        }));
        let of_all = ["x-amz-expected-bucket-owner: 123456789012", "x-amz-request-payer: requester"];
        let encrypted = [
            "x-amz-server-side-encryption: aws:kms",
            "x-amz-server-side-encryption-aws-kms-key-id: alias/etl",
            "x-amz-server-side-encryption-bucket-key-enabled: true",
        ];
        let class = ["x-amz-storage-class: STANDARD_IA"];
        for read in [Operation::GetObject, Operation::ListObjects, Operation::UploadPart, Operation::DeleteObjects] {
            assert_eq!(said(&all, read), of_all);
        }
        assert_eq!(said(&all, Operation::PutObject), [&of_all[..], &encrypted].concat());
        assert_eq!(said(&all, Operation::CreateMultipartUpload), [&of_all[..], &encrypted, &class].concat());
    }

    #[test]
    fn nothing_is_said_without_settings() {
        assert!(said(&headers(json!({})), Operation::CreateMultipartUpload).is_empty());
        let s3 = headers(json!({"encryption": "s3"}));
        assert_eq!(said(&s3, Operation::PutObject), ["x-amz-server-side-encryption: AES256"]);
        assert_eq!((s3.replaced().len(), headers(json!({})).replaced().len()), (3, 0));
    }

    #[test]
    fn a_hash_is_read_back() {
        assert_eq!(digest_of(&"0aff".repeat(16)), Some([0x0a, 0xff].repeat(16)));
        assert_eq!((digest_of(UNSIGNED), digest_of(&"x".repeat(64)), digest_of("0a")), (None, None, None));
    }
}
