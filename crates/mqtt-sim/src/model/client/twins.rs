//! The client twice: one takes what arrives as it comes, the other byte by byte. Nobody may be able to tell them apart (I2).

use std::fmt::Debug;

use bytes::{Buf, Bytes, BytesMut};
use mqtt_client::{Client, Endpoint, Event, Options, StoredChange};
use mqtt_proto::{Ack, Instant};

use super::super::{Verdict, Violation, broken, ensure};

#[derive(Debug)]
pub(super) struct Twins {
    ends: [Client; 2],
    /// Arrived, and not taken yet.
    input: [BytesMut; 2],
}

/// What both are to acknowledge.
#[derive(Debug)]
pub(super) struct TwinAck([Ack; 2]);

impl Twins {
    pub(super) fn new(options: &Options) -> Self {
        let client = || Client::new(options.clone()).expect("the options of a model are legal");
        Self { ends: [client(), client()], input: Default::default() }
    }

    /// From a store.
    pub(super) fn restore(now: Instant, options: &Options, stored: &[StoredChange]) -> Self {
        let client =
            || Client::restore(now, options.clone(), stored.to_vec()).expect("what was stored can be restored");
        Self { ends: [client(), client()], input: Default::default() }
    }

    /// Asks both, or tells both, the same.
    pub(super) fn both<T: PartialEq + Debug>(&mut self, call: impl Fn(&mut Client) -> T) -> Result<T, Violation> {
        let [whole, bytewise] = self.ends.each_mut().map(call);
        ensure(whole == bytewise, "I2", || format!("whole input says {whole:?}, single bytes say {bytewise:?}"))?;
        Ok(whole)
    }

    /// Hands over what has arrived. Returns how many bytes were taken.
    pub(super) fn handle_input(&mut self, now: Instant, arrived: &mut BytesMut) -> Result<usize, Violation> {
        let [whole, bytewise] = &mut self.ends;
        let [input, byte_input] = &mut self.input;
        let mut taken = 0;
        byte_input.reserve(arrived.len());
        for byte in arrived.iter() {
            byte_input.extend_from_slice(&[*byte]);
            bytewise.handle_input(now, byte_input);
        }
        input.unsplit(arrived.split());
        for (client, input) in [(whole, &mut *input), (bytewise, &mut *byte_input)] {
            loop {
                match client.handle_input(now, input) {
                    0 => break,
                    bytes => taken += bytes,
                }
            }
        }
        ensure(input == byte_input, "I2", || format!("whole input leaves {input:?}, single bytes {byte_input:?}"))?;
        Ok(taken)
    }

    /// The transport is gone, and what it brought.
    pub(super) fn handle_closed(&mut self, now: Instant) -> Verdict {
        self.input.iter_mut().for_each(BytesMut::clear);
        self.both(|client| client.handle_closed(now))
    }

    pub(super) fn poll_open(&mut self, now: Instant) -> Result<Option<Endpoint>, Violation> {
        self.both(|client| client.poll_open(now))
    }

    /// The next event, and the duty to acknowledge it.
    pub(super) fn poll_event(&mut self, now: Instant) -> Result<Option<(Event, Option<TwinAck>)>, Violation> {
        let [whole, bytewise] = self.ends.each_mut().map(|client| client.poll_event(now));
        ensure(whole == bytewise, "I2", || format!("whole input tells {whole:?}, single bytes {bytewise:?}"))?;
        Ok(match (whole, bytewise) {
            (Some(Event::Message(mut delivery)), Some(Event::Message(other))) => {
                let ack = delivery.ack.take().zip(other.ack).map(|(ack, other)| TwinAck([ack, other]));
                Some((Event::Message(delivery), ack))
            }
            (whole, _) => whole.map(|event| (event, None)),
        })
    }

    pub(super) fn ack(&mut self, now: Instant, ack: TwinAck, adapt: impl Fn(Ack) -> Ack) -> Verdict {
        let [whole, bytewise] = &mut self.ends;
        let TwinAck([ack, other]) = ack;
        let results = [whole.ack(now, adapt(ack)), bytewise.ack(now, adapt(other))];
        match results {
            [Ok(()), Ok(())] => Ok(()),
            results => broken("I15", format!("an acknowledgement was not taken: {results:?}")),
        }
    }

    /// All that is to be written.
    pub(super) fn written(&mut self, now: Instant) -> Result<Bytes, Violation> {
        self.both(|client| client.outbox(now, |outbox| outbox.copy_to_bytes(outbox.remaining())))
    }

    pub(super) fn look<T>(&self, question: impl FnOnce(&Client) -> T) -> T {
        question(&self.ends[0])
    }
}
