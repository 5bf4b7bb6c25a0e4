//! The end of a world: all faults cease, everything is acknowledged, and nothing may be left over.

use mqtt_proto::{QoS, Version};

use super::World;
use crate::setup::{Hello, Step, Wish};
use crate::{Verdict, ensure};

impl World {
    /// Lets everything come to rest, and looks for what is missing.
    pub(crate) fn settle(&mut self) -> Verdict {
        for actor in &mut self.actors {
            actor.release(self.now);
        }
        for at in 0..self.links.len() {
            self.stall(at, false)?;
        }
        self.run()?;
        // Old connections end as their clients come back.
        for client in 0..self.actors.len() {
            let has_session = self.reference.has_session(self.actors[client].id.as_str());
            if has_session && self.newest(client).is_none() {
                self.come_back(client)?;
            }
        }
        self.run()?;
        self.reference.check_settled()?;
        self.check_retained()
    }

    /// A client with a session connects again, and keeps it.
    fn come_back(&mut self, client: usize) -> Verdict {
        let is_twin = |other: &usize| *other != client && self.actors[*other].id == self.actors[client].id;
        if (0..self.actors.len()).find(is_twin).is_some_and(|twin| self.newest(twin).is_some()) {
            return Ok(());
        }
        let hello = Hello { clean: false, expiry: 1_000, will: None, keep_alive: 0 };
        self.connect(client, hello)?;
        self.run()
    }

    /// What the broker retains is what the reference retains: a subscriber to everything is sent it.
    fn check_retained(&mut self) -> Verdict {
        let Some(client) = self.actors.iter().position(|actor| actor.version == Version::V5) else { return Ok(()) };
        let hello = Hello { clean: true, expiry: 0, will: None, keep_alive: 0 };
        let number = client as u8;
        self.step(Step::Connect(number, hello))?;
        self.run()?;
        for filter in [6, 9] {
            let wish = Wish {
                filter,
                qos: QoS::ExactlyOnce,
                no_local: false,
                as_published: false,
                handling: 0,
                identifier: 0,
            };
            self.step(Step::Subscribe(number, wish))?;
            self.run()?;
        }
        let is_open = self.newest(client).is_some();
        ensure(is_open, "I23", || "a healthy link has ended".into())?;
        self.reference.check_settled()
    }
}
