//! One password, as a password file holds it.
//!
//! `$6$SALT$DIGEST`: SHA-512 over the password and the salt. `$7$ITERATIONS$SALT$DIGEST`: PBKDF2 with HMAC-SHA-512. Salt
//! and digest are in base64 with padding.

use std::fmt;
use std::str::FromStr;

use base64ct::{Base64, Encoding};
use sha2::{Digest, Sha512};
use subtle::ConstantTimeEq;

/// How a password is turned into what the file holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// `$6$`: one SHA-512 over password and salt, for Mosquitto 1.6 and older. Who has the file tries a thousand million
    /// passwords per second.
    Sha512,
    /// `$7$`: PBKDF2 with HMAC-SHA-512 and so many iterations, 1 to [`Algorithm::MAXIMUM_ITERATIONS`].
    ///
    /// A login costs the broker's thread about one microsecond per iteration, and while it computes nobody else is
    /// served: 101, Mosquitto's own number and the default, is a tenth of a millisecond; 100,000 is a tenth of a second.
    Pbkdf2 {
        /// The iterations.
        iterations: u32,
    },
}

impl Algorithm {
    /// Above this a file is refused: one login would hold up every client for more than a second.
    pub const MAXIMUM_ITERATIONS: u32 = 1_000_000;

    /// A measure of the time that a verification takes.
    pub(super) fn cost(self) -> u32 {
        match self {
            Self::Sha512 => 0,
            Self::Pbkdf2 { iterations } => iterations,
        }
    }
}

impl Default for Algorithm {
    /// PBKDF2 with 101 iterations, as `mosquitto_passwd` 2.0 has it.
    fn default() -> Self {
        Self::Pbkdf2 { iterations: 101 }
    }
}

/// A salted digest of a password. `Display` and `FromStr` are the form in the file.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash {
    algorithm: Algorithm,
    salt: Vec<u8>,
    digest: [u8; DIGEST],
}

impl PasswordHash {
    /// The digest of `password` with this salt, which should be random and of no other password.
    ///
    /// # Panics
    ///
    /// If the algorithm has no iterations or more than [`Algorithm::MAXIMUM_ITERATIONS`].
    #[must_use]
    pub fn new(algorithm: Algorithm, salt: [u8; 12], password: &[u8]) -> Self {
        if let Algorithm::Pbkdf2 { iterations } = algorithm {
            assert!((1..=Algorithm::MAXIMUM_ITERATIONS).contains(&iterations), "{iterations} iterations");
        }
        Self { algorithm, salt: salt.to_vec(), digest: digest(algorithm, &salt, password) }
    }

    /// Whether this is the password. The time does not depend on where the digests differ.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> bool {
        digest(self.algorithm, &self.salt, password).ct_eq(&self.digest).into()
    }

    /// How the password was turned into this.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

impl fmt::Display for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.algorithm {
            Algorithm::Sha512 => write!(f, "$6$")?,
            Algorithm::Pbkdf2 { iterations } => write!(f, "$7${iterations}$")?,
        }
        write!(f, "{}${}", Base64::encode_string(&self.salt), Base64::encode_string(&self.digest))
    }
}

impl fmt::Debug for PasswordHash {
    /// Without salt and digest, which are not for logs.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordHash").field("algorithm", &self.algorithm).finish_non_exhaustive()
    }
}

impl FromStr for PasswordHash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, HashError> {
        let mut parts = text.strip_prefix('$').ok_or(HashError::NotHashed)?.split('$');
        let algorithm = match parts.next() {
            Some("6") => Algorithm::Sha512,
            Some("7") => {
                Algorithm::Pbkdf2 { iterations: parts.next().and_then(iterations).ok_or(HashError::Iterations)? }
            }
            _ => return Err(HashError::Algorithm),
        };
        let (Some(salt), Some(digest), None) = (parts.next(), parts.next(), parts.next()) else {
            return Err(HashError::Parts);
        };
        let salt = Base64::decode_vec(salt).map_err(|_| HashError::Salt)?;
        if salt.is_empty() || salt.len() > LONGEST_SALT {
            return Err(HashError::Salt);
        }
        let digest = Base64::decode_vec(digest).map_err(|_| HashError::Digest)?;
        let digest = digest.try_into().map_err(|_| HashError::Digest)?;
        Ok(Self { algorithm, salt, digest })
    }
}

/// Why a text is not a [`PasswordHash`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum HashError {
    /// It does not begin with `$`: perhaps the password itself.
    NotHashed,
    /// It begins with neither `$6$` nor `$7$`.
    Algorithm,
    /// The iterations of `$7$` are not a number from 1 to [`Algorithm::MAXIMUM_ITERATIONS`].
    Iterations,
    /// There are more or fewer parts between `$`s than the algorithm has.
    Parts,
    /// The salt is not base64 of 1 to 64 bytes.
    Salt,
    /// The digest is not base64 of 64 bytes.
    Digest,
}

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotHashed => "the password is not hashed; 'mqtt passwd -U FILE' hashes a file of plain passwords",
            Self::Algorithm => "the hash must begin with $6$ or $7$; set the password anew with 'mqtt passwd'",
            Self::Iterations => {
                "the iterations of $7$ must be a number from 1 to 1000000; set the password anew with 'mqtt passwd'"
            }
            Self::Parts => {
                "the hash must be $6$SALT$DIGEST or $7$ITERATIONS$SALT$DIGEST and nothing more; set the password anew \
                 with 'mqtt passwd'"
            }
            Self::Salt => "the salt is not base64 of 1 to 64 bytes; set the password anew with 'mqtt passwd'",
            Self::Digest => "the digest is not base64 of 64 bytes; set the password anew with 'mqtt passwd'",
        })
    }
}

impl std::error::Error for HashError {}

/// As digits alone: `parse` would take a sign.
fn iterations(text: &str) -> Option<u32> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit()).then_some(text)?;
    digits.parse().ok().filter(|iterations| (1..=Algorithm::MAXIMUM_ITERATIONS).contains(iterations))
}

fn digest(algorithm: Algorithm, salt: &[u8], password: &[u8]) -> [u8; DIGEST] {
    match algorithm {
        Algorithm::Sha512 => Sha512::new().chain_update(password).chain_update(salt).finalize().into(),
        Algorithm::Pbkdf2 { iterations } => pbkdf2::pbkdf2_hmac_array::<Sha512, DIGEST>(password, salt, iterations),
    }
}

/// The bytes of a SHA-512.
const DIGEST: usize = 64;
/// Mosquitto's salts have 12 bytes, and later versions may write more.
const LONGEST_SALT: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Written by `mosquitto_passwd` 2.0.11 for the password "pw".
    const MOSQUITTO_7: &str = "$7$101$MVSEGrwLfHvqohjU$r084//WABo/KsNACA9CNfCumj2Z8c6peyF3VSI8DRfxWg9bIPbsWksAd33Pbrvi02JtVbtvoIGX2451VLDygrg==";
    const MOSQUITTO_6: &str =
        "$6$azLXNHjmvshgH0Y5$C7Nhb+cbt2NfP/4FAUjc6QpBfb1KMLF5rv+rIG1rb+vQvUJLI9QwAlDpeVkxr11R+5fDMxgS6eIXn3K2xdZtXg==";

    #[test]
    fn what_mosquitto_wrote_is_verified_and_written_back_alike() {
        for text in [MOSQUITTO_7, MOSQUITTO_6] {
            let hash: PasswordHash = text.parse().unwrap();
            assert!(hash.verify(b"pw"), "{text}");
            assert!(!hash.verify(b"pw "), "{text}");
            assert!(!hash.verify(b""), "{text}");
            assert_eq!(hash.to_string(), text);
        }
    }

    #[test]
    fn a_new_hash_is_of_its_password_alone() {
        for algorithm in [Algorithm::Sha512, Algorithm::default(), Algorithm::Pbkdf2 { iterations: 1 }] {
            let hash = PasswordHash::new(algorithm, *b"twelve bytes", b"open sesame");
            let again: PasswordHash = hash.to_string().parse().unwrap();
            assert_eq!(again, hash);
            assert!(again.verify(b"open sesame") && !again.verify(b"open Sesame"));
            assert_ne!(hash, PasswordHash::new(algorithm, *b"another salt", b"open sesame"));
        }
    }

    #[test]
    fn anything_else_is_named() {
        let salt = "MVSEGrwLfHvqohjU";
        let digest = MOSQUITTO_7.rsplit('$').next().unwrap();
        for (text, error) in [
            (String::new(), HashError::NotHashed),
            ("secret".into(), HashError::NotHashed),
            ("$".into(), HashError::Algorithm),
            ("$1$abc$def".into(), HashError::Algorithm),
            ("$7".into(), HashError::Iterations),
            (format!("$7$0${salt}${digest}"), HashError::Iterations),
            (format!("$7$+5${salt}${digest}"), HashError::Iterations),
            (format!("$7$2000000000${salt}${digest}"), HashError::Iterations),
            (format!("$7${salt}${digest}"), HashError::Iterations),
            (format!("$6${salt}"), HashError::Parts),
            (format!("$6${salt}${digest}$"), HashError::Parts),
            (format!("$6$${digest}"), HashError::Salt),
            (format!("$6$!!!!${digest}"), HashError::Salt),
            (format!("$6${salt}$"), HashError::Digest),
            (format!("$6${salt}${}", &digest[4..]), HashError::Digest),
        ] {
            assert_eq!(text.parse::<PasswordHash>(), Err(error), "{text}");
        }
    }

    #[test]
    fn a_debug_output_has_no_digest_in_it() {
        let hash: PasswordHash = MOSQUITTO_7.parse().unwrap();
        assert!(!format!("{hash:?}").contains("r084"));
    }
}
