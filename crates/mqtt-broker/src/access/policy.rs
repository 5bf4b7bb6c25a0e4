//! The broker's hooks, answered from password and access control files.

use std::sync::Arc;

use mqtt_proto::{Connect, Message, ReasonCode};

use super::acl::{Access, AclFile};
use super::password::PasswordFile;
use crate::{ClientInfo, Policy};

/// Who may come in at a listener, and what they may do. The default lets nobody in.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListenerAccess {
    /// Whether a client without a user name may come in; and without a password file also one with any name.
    pub allow_anonymous: bool,
    /// Who may come in with a name.
    pub passwords: Option<Arc<PasswordFile>>,
    /// Who may read and write what; without it, everybody everything.
    pub acl: Option<Arc<AclFile>>,
}

impl ListenerAccess {
    /// Whether somebody of this name may be here at all.
    fn knows(&self, username: Option<&str>) -> bool {
        match (username, &self.passwords) {
            (Some(name), Some(passwords)) => passwords.contains(name),
            (Some(_), None) | (None, _) => self.allow_anonymous,
        }
    }

    /// What the rules say, of whomever.
    fn allows(&self, client: &ClientInfo, access: Access, message: &Message) -> bool {
        let (user, id) = (name(client), client.client_id.as_str());
        self.acl.as_ref().is_none_or(|acl| acl.allows(user, id, access, message.topic.as_str()))
    }
}

/// A [`Policy`] that holds each listener's clients to its files.
///
/// - A name or password that is wrong is refused with 0x86, a client that must give one and does not with 0x87.
/// - A subscription is always granted, as by Mosquitto: what the client may not read is left out when it is delivered. So a
///   dashboard that subscribes to `#` gets what it may see, a changed file needs no new subscription, and neither a stored
///   session nor a retained message brings what may no longer be read (CVE-2021-34434, CVE-2018-12546).
/// - Of a user that is no longer in the file nothing more is published, its will included.
/// - A connection from a listener that is not in the list is refused.
///
/// Checking a password costs the thread of the broker time; see [`Algorithm`](super::Algorithm).
#[derive(Clone, Debug)]
pub struct AccessPolicy {
    listeners: Vec<ListenerAccess>,
    /// What the clients that are connected now were let in by.
    previous: Option<Vec<ListenerAccess>>,
    checks_retain_source: bool,
}

impl AccessPolicy {
    /// A policy for a broker without clients, by [`Origin::listener`](crate::Origin::listener).
    #[must_use]
    pub fn new(listeners: Vec<ListenerAccess>) -> Self {
        Self { listeners, previous: None, checks_retain_source: true }
    }

    /// A policy that takes the place of the one made of `previous`: users who are gone or whose password is another now
    /// are no longer [welcome](Policy::is_welcome).
    #[must_use]
    pub fn replacing(previous: Vec<ListenerAccess>, listeners: Vec<ListenerAccess>) -> Self {
        Self { listeners, previous: Some(previous), checks_retain_source: true }
    }

    /// Whether retained messages are kept from new subscriptions once the rules no longer let their publisher write there.
    /// Default: true, as for Mosquitto's `check_retain_source`. Only the rules are asked, so that the messages of a user who is
    /// gone from the password file alone stay.
    #[must_use]
    pub fn check_retain_source(mut self, checks: bool) -> Self {
        self.checks_retain_source = checks;
        self
    }

    fn of(&self, client: &ClientInfo) -> Option<&ListenerAccess> {
        find(&self.listeners, client)
    }

    fn allows(&self, client: &ClientInfo, access: Access, message: &Message) -> bool {
        self.of(client).is_some_and(|listener| listener.knows(name(client)) && listener.allows(client, access, message))
    }
}

impl Policy for AccessPolicy {
    fn connect(&mut self, client: &ClientInfo, connect: &Connect) -> Result<(), ReasonCode> {
        let listener = self.of(client).ok_or(ReasonCode::NOT_AUTHORIZED)?;
        match (name(client), &listener.passwords) {
            (Some(name), Some(passwords)) => {
                let right = connect.password.as_ref().is_some_and(|password| passwords.verify(name, password));
                if right { Ok(()) } else { Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD) }
            }
            (Some(_), None) | (None, _) if listener.allow_anonymous => Ok(()),
            (Some(_), None) | (None, _) => Err(ReasonCode::NOT_AUTHORIZED),
        }
    }

    fn publish(&mut self, client: &ClientInfo, message: &Message) -> Result<(), ReasonCode> {
        if self.allows(client, Access::Write, message) { Ok(()) } else { Err(ReasonCode::NOT_AUTHORIZED) }
    }

    fn deliver(&mut self, client: &ClientInfo, message: &Message) -> bool {
        self.allows(client, Access::Read, message)
    }

    fn may_retain(&mut self, publisher: &ClientInfo, message: &Message) -> bool {
        !self.checks_retain_source
            || self.of(publisher).is_some_and(|listener| listener.allows(publisher, Access::Write, message))
    }

    fn is_welcome(&mut self, client: &ClientInfo) -> bool {
        let Some(now) = self.of(client) else { return false };
        let name = name(client);
        let (Some(name), Some(passwords), Some(previous)) = (name, &now.passwords, &self.previous) else {
            return now.knows(name);
        };
        // By its own password, which is still the same. Without a file before, nobody has asked for one.
        let before = find(previous, client).and_then(|before| before.passwords.as_ref());
        before.is_some_and(|before| before.agrees(passwords, name))
    }
}

fn find<'a>(listeners: &'a [ListenerAccess], client: &ClientInfo) -> Option<&'a ListenerAccess> {
    listeners.get(usize::try_from(client.origin.listener).ok()?)
}

fn name(client: &ClientInfo) -> Option<&str> {
    client.username.as_ref().map(|name| name.as_str())
}

#[cfg(test)]
mod tests {
    use mqtt_proto::{Text, TopicName, Version};

    use super::*;
    use crate::Origin;
    use crate::access::{Algorithm, PasswordHash};

    fn client(name: Option<&str>, listener: u32) -> ClientInfo {
        ClientInfo {
            client_id: Text::from_static("id"),
            username: name.map(|name| Text::try_from(name).unwrap()),
            version: Version::V5,
            origin: Origin { listener, address: None },
        }
    }

    fn passwords(users: &[(&str, &str)]) -> Option<Arc<PasswordFile>> {
        let hash = |password: &str| PasswordHash::new(Algorithm::Sha512, [7; 12], password.as_bytes());
        let lines: String = users.iter().map(|(user, password)| format!("{user}:{}\n", hash(password))).collect();
        Some(Arc::new(PasswordFile::parse("users", lines.as_bytes()).unwrap()))
    }

    fn acl(text: &str) -> Option<Arc<AclFile>> {
        Some(Arc::new(AclFile::parse("rules", text.as_bytes()).unwrap()))
    }

    fn comes_in(access: &ListenerAccess, name: Option<&str>, password: Option<&'static str>) -> Result<(), ReasonCode> {
        let mut connect = Connect::new(Version::V5, Text::from_static("id"));
        connect.password = password.map(|password| password.as_bytes().into());
        AccessPolicy::new(vec![access.clone()]).connect(&client(name, 0), &connect)
    }

    fn message(topic: &str) -> Message {
        Message::new(TopicName::try_from(topic).unwrap(), "x")
    }

    const BAD: Result<(), ReasonCode> = Err(ReasonCode::BAD_USER_NAME_OR_PASSWORD);
    const NO: Result<(), ReasonCode> = Err(ReasonCode::NOT_AUTHORIZED);

    #[test]
    fn a_password_file_decides_about_every_name() {
        for allow_anonymous in [false, true] {
            let access = ListenerAccess { allow_anonymous, passwords: passwords(&[("anna", "one")]), acl: None };
            assert_eq!(comes_in(&access, Some("anna"), Some("one")), Ok(()));
            assert_eq!(comes_in(&access, Some("anna"), Some("two")), BAD);
            assert_eq!(comes_in(&access, Some("anna"), None), BAD);
            assert_eq!(comes_in(&access, Some("bob"), Some("one")), BAD);
            assert_eq!(comes_in(&access, None, None), if allow_anonymous { Ok(()) } else { NO });
            assert_eq!(comes_in(&access, None, Some("one")), if allow_anonymous { Ok(()) } else { NO });
        }
    }

    #[test]
    fn without_a_password_file_everybody_is_anonymous() {
        let open = ListenerAccess { allow_anonymous: true, ..ListenerAccess::default() };
        assert_eq!(comes_in(&open, Some("anna"), Some("one")), Ok(()));
        assert_eq!(comes_in(&open, None, None), Ok(()));
        assert_eq!(comes_in(&ListenerAccess::default(), Some("anna"), Some("one")), NO);
        assert_eq!(comes_in(&ListenerAccess::default(), None, None), NO);
    }

    // CVE-2018-12550, CVE-2018-12551
    #[test]
    fn empty_files_let_nobody_in_and_allow_nothing() {
        let access = ListenerAccess { allow_anonymous: false, passwords: passwords(&[]), acl: acl("") };
        assert_eq!(comes_in(&access, Some("anna"), Some("")), BAD);
        assert_eq!(comes_in(&access, Some(""), Some("")), BAD);
        let mut policy =
            AccessPolicy::new(vec![ListenerAccess { allow_anonymous: true, passwords: None, acl: acl("") }]);
        assert_eq!(policy.publish(&client(None, 0), &message("a")), NO);
        assert!(!policy.deliver(&client(None, 0), &message("a")));
    }

    #[test]
    fn what_was_retained_is_kept_back_once_the_rules_deny_it_unless_nobody_checks() {
        let listeners =
            |rules| vec![ListenerAccess { allow_anonymous: false, passwords: passwords(&[]), acl: acl(rules) }];
        let mut policy = AccessPolicy::new(listeners("user anna\ntopic write a\ntopic read b"));
        assert!(policy.may_retain(&client(Some("anna"), 0), &message("a")), "the password file is not asked");
        assert!(!policy.may_retain(&client(Some("anna"), 0), &message("b")));
        assert!(!policy.may_retain(&client(None, 0), &message("a")));
        assert!(!policy.may_retain(&client(Some("anna"), 1), &message("a")), "there is no such listener");
        let mut policy = AccessPolicy::replacing(listeners(""), listeners("")).check_retain_source(false);
        assert!(policy.may_retain(&client(Some("anna"), 0), &message("a")));
    }

    #[test]
    fn each_listener_has_its_own_rules_and_an_unknown_one_none() {
        let mut policy = AccessPolicy::new(vec![
            ListenerAccess { allow_anonymous: true, passwords: None, acl: acl("topic write a\ntopic read b") },
            ListenerAccess { allow_anonymous: true, passwords: None, acl: None },
        ]);
        assert_eq!(policy.publish(&client(None, 0), &message("a")), Ok(()));
        assert_eq!(policy.publish(&client(None, 0), &message("b")), NO);
        assert!(policy.deliver(&client(None, 0), &message("b")) && !policy.deliver(&client(None, 0), &message("a")));
        assert_eq!(policy.publish(&client(None, 1), &message("b")), Ok(()));
        assert!(policy.deliver(&client(None, 1), &message("a")));
        assert_eq!(policy.publish(&client(None, 2), &message("a")), NO);
        assert!(!policy.deliver(&client(None, 2), &message("b")) && !policy.is_welcome(&client(None, 2)));
    }

    #[test]
    fn after_a_reload_only_those_with_the_same_password_may_stay() {
        let listener = |users: &[(&str, &str)], allow_anonymous| {
            vec![ListenerAccess { allow_anonymous, passwords: passwords(users), acl: None }]
        };
        let before = listener(&[("anna", "one"), ("bob", "two"), ("carl", "three")], true);
        let after = listener(&[("anna", "one"), ("bob", "other"), ("dora", "four")], false);
        let mut policy = AccessPolicy::replacing(before, after);
        assert!(policy.is_welcome(&client(Some("anna"), 0)));
        for name in [Some("bob"), Some("carl"), Some("dora"), None] {
            assert!(!policy.is_welcome(&client(name, 0)), "{name:?}");
        }
        assert_eq!(policy.publish(&client(Some("carl"), 0), &message("will")), NO);
    }

    #[test]
    fn who_came_in_without_a_password_has_to_give_one_once_there_is_a_file() {
        let open = vec![ListenerAccess { allow_anonymous: true, ..ListenerAccess::default() }];
        let closed =
            vec![ListenerAccess { allow_anonymous: false, passwords: passwords(&[("anna", "one")]), acl: None }];
        assert!(!AccessPolicy::replacing(open.clone(), closed.clone()).is_welcome(&client(Some("anna"), 0)));
        assert!(AccessPolicy::replacing(closed, open).is_welcome(&client(Some("anna"), 0)));
    }
}
