//! `mqtt sub`.

use std::io;
use std::num::NonZeroU16;
use std::pin::{Pin, pin};
use std::time::Duration;

use mqtt_tokio::{
    Error, Handle, Message, Messages, QoS, Received, Subscribe, Subscriber, Subscription, Unsubscribe, Version,
};

use crate::args::{SubscribeArgs, SubscribeOptions};
use crate::interrupt::Interrupt;
use crate::output::{self, Output};
use crate::pipeline::Pipeline;
use crate::printer::{Printer, Verdict};
use crate::properties::PropertyArgs;
use crate::report::{Outcome, Report};
use crate::session::{self, Dial, Session};

/// Prints what the arguments say.
pub(crate) async fn run(mut args: SubscribeArgs) -> Outcome {
    let report = Report { quiet: args.connection.quiet, debug: args.connection.debug };
    let dial = Dial::of(&args.connection);
    limit_window(&mut args);
    let options = match session::options(args.connection, std::mem::take(&mut args.properties.connect)) {
        Ok(options) => options.flush_timeout(FLUSH),
        Err(error) => {
            report.error(error);
            return Outcome::Usage;
        }
    };
    let mut interrupt = match Interrupt::listen(report) {
        Ok(interrupt) => interrupt,
        Err(outcome) => return outcome,
    };
    let (mut session, driver) = match Session::new(options, report) {
        Ok(new) => new,
        Err(outcome) => return outcome,
    };
    // Before anything is dialled: what the broker sends right after CONNACK must find the stream there.
    let streams = Streams { everything: session.handle.messages(), own: None };
    if let Err(outcome) = session.connect(driver, dial, &mut interrupt).await {
        return outcome;
    }
    let mut work = Work {
        handle: &session.handle,
        streams,
        printer: Printer::new(&args.options, report),
        output: Output::stdout(),
        taken: Vec::new(),
        pipeline: Pipeline::new(report),
        report,
    };
    let subscribe = subscribe(&session.handle, &args.options, &args.properties, report);
    let end = {
        let stop = pin!(stop(&mut interrupt, args.options.timeout, report));
        work.print(subscribe, args.options.exit_after_subscribe, stop).await
    };
    let Work { streams, mut pipeline, .. } = work;
    let Some(outcome) = end else {
        session.stopped().await;
        return Outcome::Failed;
    };
    // The retained messages that --remove-retained clears are cleared before the good-bye.
    tokio::select! {
        () = pipeline.settle_all() => {}
        () = interrupt.wait() => {}
    }
    session.disconnect(args.properties.disconnect).await;
    // They must outlive the connection: dropping a stream acknowledges what is in it.
    drop(streams);
    if pipeline.failed() > 0 { Outcome::Failed } else { outcome }
}

/// What printing needs.
struct Work<'a> {
    handle: &'a Handle,
    streams: Streams,
    printer: Printer<'a>,
    output: Output,
    /// Messages that are printed or skipped, and not acknowledged yet.
    taken: Vec<Received>,
    /// The messages that clear retained ones.
    pipeline: Pipeline,
    report: Report,
}

impl Work<'_> {
    /// Subscribes, and prints messages until there is a reason to end. `None`: the client has stopped by itself.
    async fn print(
        &mut self,
        subscribe: impl Future<Output = Result<Option<Subscriber>, Error>>,
        exit_after_subscribe: bool,
        mut stop: Pin<&mut impl Future<Output = Outcome>>,
    ) -> Option<Outcome> {
        let mut subscribe = pin!(subscribe);
        let mut is_subscribed = false;
        loop {
            tokio::select! {
                outcome = &mut stop => return Some(outcome),
                result = &mut subscribe, if !is_subscribed => {
                    is_subscribed = true;
                    match result {
                        Ok(_) if exit_after_subscribe => return Some(Outcome::Done),
                        Ok(own) => self.streams.own = own,
                        Err(error) => {
                            self.report.error(error);
                            return Some(Outcome::Failed);
                        }
                    }
                }
                () = self.pipeline.settle_oldest(), if !self.pipeline.is_empty() => {}
                message = self.streams.next() => {
                    let verdict = self.collect(message?).await;
                    if let Some(outcome) = self.write(stop.as_mut()).await {
                        return Some(outcome);
                    }
                    if verdict != Verdict::GoOn {
                        return Some(Outcome::Done);
                    }
                }
            }
        }
    }

    /// Renders this message and those that are there already: all of them are one write, and none is left waiting in the
    /// buffer for another to come.
    async fn collect(&mut self, first: Received) -> Verdict {
        let mut next = Some(first);
        while let Some(message) = next {
            let verdict = self.printer.take(&message, message.packet_id());
            if verdict == Verdict::Over {
                return verdict;
            }
            if self.printer.should_clear(&message) {
                let empty = Message::new(message.topic.clone(), "").with_qos(QoS::AtLeastOnce).with_retain(true);
                self.pipeline.push(self.handle.send(empty)).await;
            }
            self.taken.push(message);
            if verdict != Verdict::GoOn || self.printer.buffer.len() >= PIECE || self.taken.len() >= MESSAGES {
                return verdict;
            }
            next = self.streams.try_next();
        }
        Verdict::GoOn
    }

    /// Writes what is rendered, and then acknowledges it: from here on the broker may forget it.
    async fn write(&mut self, mut stop: Pin<&mut impl Future<Output = Outcome>>) -> Option<Outcome> {
        let mut outcome = None;
        if !self.printer.buffer.is_empty() {
            let mut write = pin!(self.output.write(&mut self.printer.buffer));
            let result = tokio::select! {
                result = &mut write => result,
                stopped = &mut stop => match tokio::time::timeout(GRACE, write).await {
                    Ok(result) => {
                        outcome = Some(stopped);
                        result
                    }
                    // The reader is slow, and we are in a hurry.
                    Err(_) => return Some(stopped),
                },
            };
            if let Err(error) = result {
                return Some(after_write_error(&error, self.report));
            }
        }
        for mut message in self.taken.drain(..) {
            if let Err(error) = message.ack() {
                self.report.debug(error);
            }
        }
        outcome
    }
}

/// What is printed comes from the stream of everything, which has also what an earlier run subscribed to. The
/// subscriber's own stream keeps the subscription over reconnects; its messages, the same ones, are taken off it.
struct Streams {
    everything: Messages,
    own: Option<Subscriber>,
}

impl Streams {
    async fn next(&mut self) -> Option<Received> {
        let message = self.everything.next().await;
        self.take_off_own();
        message
    }

    fn try_next(&mut self) -> Option<Received> {
        let message = self.everything.try_next();
        self.take_off_own();
        message
    }

    fn take_off_own(&mut self) {
        while let Some(mut same) = self.own.as_mut().and_then(Subscriber::try_next) {
            // Both streams have to acknowledge a message; the other one does it after printing, and tells of errors.
            let _told_there = same.ack();
        }
    }
}

/// Waits for a reason to end that has nothing to do with messages.
async fn stop(interrupt: &mut Interrupt, timeout: Option<Duration>, report: Report) -> Outcome {
    let time_over = async {
        match timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = interrupt.wait() => Outcome::Done,
        () = output::reader_gone() => Outcome::Done,
        () = time_over => {
            report.error("timed out");
            Outcome::TimedOut
        }
    }
}

/// Subscribes, then unsubscribes, as asked.
async fn subscribe(
    handle: &Handle,
    options: &SubscribeOptions,
    properties: &PropertyArgs,
    report: Report,
) -> Result<Option<Subscriber>, Error> {
    let mut stream = None;
    if !options.filters.is_empty() {
        let subscriptions = options.filters.iter().map(|filter| {
            let mut subscription = Subscription::new(filter.clone(), options.qos);
            subscription.retain_as_published = options.retain_as_published;
            subscription.retain_handling = options.retain_handling;
            subscription
        });
        let mut packet = Subscribe::new(subscriptions.collect());
        if let Some(id) = properties.subscription_identifier {
            packet = packet.with_subscription_identifier(id);
        }
        for (name, value) in &properties.subscribe_user {
            packet = packet.with_user_property(name.clone(), value.clone());
        }
        let subscriber = handle.subscribe_with(packet).await?;
        for (filter, reason) in options.filters.iter().zip(subscriber.granted()) {
            if reason.is_failure() {
                report.warning(format_args!("the server refused the subscription to '{}': {reason}", filter.as_str()));
            } else {
                report.debug(format_args!("subscribed to '{}': granted QoS {}", filter.as_str(), reason.0));
            }
        }
        stream = Some(subscriber);
    }
    if !options.unsubscribe.is_empty() {
        let mut packet = Unsubscribe::new(options.unsubscribe.clone());
        for (name, value) in &properties.unsubscribe_user {
            packet = packet.with_user_property(name.clone(), value.clone());
        }
        match handle.unsubscribe_with(packet).await {
            Ok(reason) => report.debug(format_args!("unsubscribed: {reason}")),
            Err(error @ Error::UnsubscribeRefused(_)) => report.warning(error),
            Err(error) => return Err(error),
        }
    }
    Ok(stream)
}

/// Nobody reads any more: that is how a pipe ends. Everything else is a failure.
fn after_write_error(error: &io::Error, report: Report) -> Outcome {
    if error.kind() == io::ErrorKind::BrokenPipe {
        return Outcome::Done;
    }
    report.error(format_args!("cannot write to stdout: {error}"));
    Outcome::Failed
}

/// The broker should not send more than `-C` will print: the rest would have to be sent again to the next run.
fn limit_window(args: &mut SubscribeArgs) {
    let window = args.options.count.and_then(|count| u16::try_from(count).ok()).and_then(NonZeroU16::new);
    if args.connection.version == Version::V5 && args.properties.connect.receive_maximum.is_none() {
        args.properties.connect.receive_maximum = window.filter(|window| window.get() < DEFAULT_WINDOW);
    }
}

/// Bytes written at once, about.
const PIECE: usize = 64 * 1024;

/// Messages written and acknowledged at once, at most.
const MESSAGES: usize = 1024;

/// The client's own Receive Maximum.
const DEFAULT_WINDOW: u16 = 1024;

/// How long the good-bye waits for an answer to a request that is still open: only a subscription can be.
const FLUSH: Duration = Duration::from_secs(1);

/// How long a write that is under way may still take when there is a reason to end.
const GRACE: Duration = Duration::from_secs(1);
