//! What the applications of a pair do with their events.

use mqtt_proto::{ClientEvent, ConnAck, Instant, ReasonCode, ServerEvent, Session};

use super::describe::Describe;
use super::{Pair, Side};

impl Pair {
    pub(super) fn read_client(&mut self) -> usize {
        let mut count = 0;
        while let Some(event) = self.client.reads.then(|| self.client.connection.poll_event()).flatten() {
            count += 1;
            self.note(Side::Client, false, &event.describe());
            let client = &mut self.client;
            match event {
                ClientEvent::Message(delivery) => {
                    if let Some(ack) = client.take(delivery) {
                        client.connection.ack(Instant::from_millis(self.now), ack).expect("a valid acknowledgement");
                    }
                }
                ClientEvent::Acknowledged(it) => client.finished.push((it.token, it.reason)),
                ClientEvent::Unacknowledged { token, message } => client.lost.push((token, message)),
                ClientEvent::Closed(closed) => client.closed = Some(closed),
                ClientEvent::Connected(_)
                | ClientEvent::Subscribed { .. }
                | ClientEvent::Unsubscribed { .. }
                | ClientEvent::Auth(_) => {}
            }
        }
        count
    }

    pub(super) fn read_server(&mut self) -> usize {
        let mut count = 0;
        while let Some(event) = self.server.reads.then(|| self.server.connection.poll_event()).flatten() {
            count += 1;
            self.note(Side::Server, false, &event.describe());
            let now = Instant::from_millis(self.now);
            let server = &mut self.server;
            match event {
                ServerEvent::Connect(connect) if self.scenario.accepts => {
                    self.accept(connect.clean_start);
                }
                ServerEvent::Message(delivery) => {
                    if let Some(ack) = server.take(delivery) {
                        server.connection.ack(now, ack).expect("a valid acknowledgement");
                    }
                }
                ServerEvent::Acknowledged(it) => server.finished.push((it.token, it.reason)),
                ServerEvent::Subscribe(request) if self.scenario.grants => {
                    let subscriptions = &request.subscribe.subscriptions;
                    let granted: Vec<_> = subscriptions.iter().map(|it| ReasonCode(it.qos as u8)).collect();
                    server.connection.suback(now, request, &granted).expect("a valid answer");
                }
                ServerEvent::Unsubscribe(request) if self.scenario.grants => {
                    let done = vec![ReasonCode::SUCCESS; request.unsubscribe.filters.len()];
                    server.connection.unsuback(now, request, &done).expect("a valid answer");
                }
                ServerEvent::Subscribe(request) => server.subscribes.push_back(request),
                ServerEvent::Unsubscribe(request) => server.unsubscribes.push_back(request),
                ServerEvent::Closed(closed) => server.closed = Some(closed),
                ServerEvent::Connect(_) | ServerEvent::Auth(_) => {}
            }
        }
        count
    }

    /// The server's application lets the client in, with what it has stored unless the client wants to start anew.
    ///
    /// # Panics
    ///
    /// If the connection does not wait for it.
    pub fn accept(&mut self, clean_start: bool) {
        if self.server.connection.is_closed() {
            return; // The session stays with us.
        }
        let keeps = |session: &Session| session.is_confirmed() || self.scenario.resumes_unconfirmed;
        let session = self.stored.take().filter(|session| !clean_start && keeps(session));
        let connack: ConnAck = self.scenario.connack.clone();
        self.server.connection.accept(self.instant(), connack, session).expect("the server can accept");
        self.scenario.has_accepted = true;
    }
}
