//! Which messages are printed, and how they get into the output's buffer.

use mqtt_tokio::{Message, PacketId, TopicFilter};

use crate::args::SubscribeOptions;
use crate::format::{Format, Moment, Printable, PrintableProperties};
use crate::report::Report;

/// Decides over messages and renders those that are printed.
pub(crate) struct Printer<'a> {
    options: &'a SubscribeOptions,
    report: Report,
    printed: u64,
    /// What is rendered and not written yet.
    pub(crate) buffer: Vec<u8>,
}

/// What follows from a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// More messages may follow.
    GoOn,
    /// That was the last one asked for.
    Last,
    /// It is not for us any more, and should stay with the broker if that keeps messages.
    Over,
}

impl<'a> Printer<'a> {
    pub(crate) fn new(options: &'a SubscribeOptions, report: Report) -> Self {
        Self { options, report, printed: 0, buffer: Vec::new() }
    }

    /// Takes the next message.
    pub(crate) fn take(&mut self, message: &Message, packet_id: Option<PacketId>) -> Verdict {
        if self.options.retained_only && !message.retain {
            return Verdict::Over;
        }
        if self.options.skip_retained && message.retain || self.is_filtered_out(message) {
            return Verdict::GoOn;
        }
        self.render(message, packet_id);
        self.printed += 1;
        if self.options.count == Some(self.printed) { Verdict::Last } else { Verdict::GoOn }
    }

    /// Whether this message is a retained one that `--remove-retained` is to clear: filtered out or not printed because of
    /// `-R` are different things to it.
    pub(crate) fn should_clear(&self, message: &Message) -> bool {
        self.options.remove_retained && message.retain && !self.is_filtered_out(message)
    }

    fn is_filtered_out(&self, message: &Message) -> bool {
        self.options.filter_out.iter().any(|filter: &TopicFilter| filter.matches(&message.topic))
    }

    fn render(&mut self, message: &Message, packet_id: Option<PacketId>) {
        let mut printable = Printable {
            topic: message.topic.as_str(),
            payload: &message.payload,
            qos: message.qos as u8,
            retain: message.retain,
            packet_id: packet_id.map_or(0, PacketId::get),
            ..Printable::default()
        };
        let (identifiers, user);
        if let Format::Parts(_) = self.options.format {
            let properties = message.properties();
            identifiers = properties.subscription_identifiers().map(|id| id.get()).collect::<Vec<_>>();
            user = properties.user_properties().collect::<Vec<_>>();
            printable.properties = PrintableProperties {
                content_type: properties.content_type(),
                correlation_data: properties.correlation_data(),
                message_expiry_interval: properties.message_expiry_interval(),
                payload_format_indicator: properties.payload_format_indicator().map(u8::from),
                response_topic: properties.response_topic(),
                subscription_identifiers: &identifiers,
                user_properties: &user,
            };
        }
        let rendered =
            self.options.format.render(&printable, &Moment::default(), self.options.layout, &mut self.buffer);
        if rendered.is_err() {
            self.report.warning(format_args!("a payload is not JSON, which %J needs, on topic {}", printable.topic));
        }
    }
}

#[cfg(test)]
mod tests {
    use mqtt_tokio::TopicName;

    use super::*;

    const REPORT: Report = Report { quiet: true, debug: false };

    fn message(topic: &str, retain: bool) -> Message {
        Message::new(TopicName::try_from(topic).unwrap(), "x").with_retain(retain)
    }

    #[test]
    fn what_is_skipped_does_not_count() {
        let options = SubscribeOptions {
            filter_out: vec![TopicFilter::from_static("out/#")],
            skip_retained: true,
            count: Some(2),
            ..SubscribeOptions::default()
        };
        let mut printer = Printer::new(&options, REPORT);
        let verdicts = [("a", false), ("out", false), ("b", true), ("c", false)]
            .map(|(topic, retain)| printer.take(&message(topic, retain), None));
        assert_eq!(verdicts, [Verdict::GoOn, Verdict::GoOn, Verdict::GoOn, Verdict::Last]);
        assert_eq!(printer.buffer, b"x\nx\n");
    }

    #[test]
    fn retained_only_is_over_at_the_first_other_message() {
        let options = SubscribeOptions { retained_only: true, ..SubscribeOptions::default() };
        let mut printer = Printer::new(&options, REPORT);
        assert_eq!(printer.take(&message("a", true), None), Verdict::GoOn);
        assert_eq!(printer.take(&message("a", false), None), Verdict::Over);
        assert_eq!(printer.buffer, b"x\n");
    }

    #[test]
    fn removing_retained_messages_spares_what_is_filtered_out_and_not_what_is_not_printed() {
        let options = SubscribeOptions {
            filter_out: vec![TopicFilter::from_static("keep")],
            skip_retained: true,
            remove_retained: true,
            ..SubscribeOptions::default()
        };
        let printer = Printer::new(&options, REPORT);
        assert!(printer.should_clear(&message("a", true)));
        assert!(!printer.should_clear(&message("a", false)));
        assert!(!printer.should_clear(&message("keep", true)));
    }
}
