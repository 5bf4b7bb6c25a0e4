//! `mqtt pub`.

use std::io;

use bytes::Bytes;
use mqtt_tokio::{Handle, Message};

use crate::args::{PublishArgs, Source};
use crate::input::{self, Lines};
use crate::interrupt::Interrupt;
use crate::pipeline::Pipeline;
use crate::report::{Outcome, Report};
use crate::session::{self, Dial, Session};

/// Sends what the arguments say.
pub(crate) async fn run(args: PublishArgs) -> Outcome {
    let report = Report { quiet: args.connection.quiet, debug: args.connection.debug };
    let dial = Dial::of(&args.connection);
    // Read before anything is dialled: there is no connection to lose while a file or stdin is slow.
    let payload = match read(&args.source) {
        Ok(payload) => payload,
        Err(error) => {
            report.error(error);
            return Outcome::Usage;
        }
    };
    let message = Message::new(args.topic, payload).with_qos(args.qos).with_retain(args.retain);
    let message = args.properties.publish.apply(message);
    let options = match session::options(args.connection, args.properties.connect) {
        Ok(options) => options,
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
    if let Err(outcome) = session.connect(driver, dial, &mut interrupt).await {
        return outcome;
    }
    let handle = session.handle.clone();
    let mut pipeline = Pipeline::new(report);
    let sent = async {
        match args.source {
            Source::Lines => send_lines(&handle, &message, &mut pipeline).await,
            Source::Argument(_) | Source::Empty | Source::File(_) | Source::Stdin => {
                for round in 0..args.repeat {
                    if round > 0 && !args.repeat_delay.is_zero() {
                        pipeline.settle_all().await;
                        tokio::time::sleep(args.repeat_delay).await;
                    }
                    pipeline.push(handle.send(message.clone())).await;
                }
                Ok(())
            }
        }?;
        pipeline.settle_all().await;
        Ok::<_, io::Error>(())
    };
    let mut outcome = tokio::select! {
        result = sent => match result {
            Ok(()) => Outcome::Done,
            Err(error) => {
                report.error(error);
                Outcome::Usage
            }
        },
        () = session.stopped() => Outcome::Failed,
        () = interrupt.wait() => {
            report.error("interrupted; finishing what was begun, a second signal ends at once");
            Outcome::Interrupted
        }
    };
    if pipeline.failed() > 1 {
        report.error(format_args!("{} messages did not arrive", pipeline.failed()));
    }
    if pipeline.failed() > 0 {
        outcome = Outcome::Failed;
    }
    session.disconnect(args.properties.disconnect).await;
    outcome
}

/// The payload, but for lines, which are read while they are sent.
fn read(source: &Source) -> io::Result<Bytes> {
    match source {
        Source::Argument(payload) => Ok(payload.clone()),
        Source::Empty | Source::Lines => Ok(Bytes::new()),
        Source::File(path) => input::file(path),
        // As mosquitto_pub: a command before the pipe that failed must not clear a retained message.
        Source::Stdin => match input::stdin()? {
            payload if payload.is_empty() => Err(io::Error::other("stdin is empty; -n sends an empty message")),
            payload => Ok(payload),
        },
    }
}

/// Sends every line of stdin like `message`, as long as the client lives.
async fn send_lines(handle: &Handle, message: &Message, pipeline: &mut Pipeline) -> io::Result<()> {
    let mut lines = Lines::stdin();
    loop {
        tokio::select! {
            line = lines.next(), if !pipeline.is_full() => match line {
                Some(line) => {
                    let mut message = message.clone();
                    message.payload = line?;
                    pipeline.push(handle.send(message)).await;
                }
                None => return Ok(()),
            },
            // So that a failure is told while the next line is waited for.
            () = pipeline.settle_oldest(), if !pipeline.is_empty() => {}
        }
    }
}
