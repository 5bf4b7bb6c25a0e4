//! Password and access control files in the formats of Mosquitto 2.0, and a [`Policy`](crate::Policy) made of them.
//!
//! Whatever is wrong denies: a file without entries lets nobody in and allows nothing, and one with a garbled line is an
//! error that names each such line, not a file with fewer lines (CVE-2018-12550, CVE-2018-12551).
//!
//! ```
//! use std::sync::Arc;
//! use mqtt_broker::access::{AccessPolicy, AclFile, Algorithm, ListenerAccess, PasswordFile, PasswordHash};
//!
//! let hash = PasswordHash::new(Algorithm::default(), *b"random bytes", b"open sesame");
//! let passwords = PasswordFile::parse("passwords", format!("anna:{hash}\n").as_bytes())?;
//! let acl = AclFile::parse("rules", b"pattern readwrite home/%u/#\n")?;
//! let policy = AccessPolicy::new(vec![ListenerAccess {
//!     allow_anonymous: false,
//!     passwords: Some(Arc::new(passwords)),
//!     acl: Some(Arc::new(acl)),
//! }]);
//! # let _: Box<dyn mqtt_broker::Policy> = Box::new(policy);
//! # Ok::<(), mqtt_broker::access::FileErrors>(())
//! ```

mod acl;
mod error;
mod hash;
mod password;
mod policy;

pub use acl::{Access, AclFile};
pub use error::{FileError, FileErrors};
pub use hash::{Algorithm, HashError, PasswordHash};
pub use password::PasswordFile;
pub use policy::{AccessPolicy, ListenerAccess};
