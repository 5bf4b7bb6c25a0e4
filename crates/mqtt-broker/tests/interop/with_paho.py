"""paho-mqtt against the broker on PORT: `python3 with_paho.py PORT 3.1|3.1.1|5.0`. Prints each case before it runs it.

Nothing sleeps: to see that a message does not come, a case waits for one that was published after it.
"""

import queue
import sys

import paho.mqtt.client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

PORT, VERSION = int(sys.argv[1]), sys.argv[2]
IS_V5 = VERSION == "5.0"
WAIT = 60  # seconds: a busy machine is no failure


def properties(packet, **values):
    if not IS_V5:
        return None
    made = Properties(packet)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Client:
    """A client that is connected when it is there, and whose callbacks are queues."""

    def __init__(self, name, clean=True, will=None):
        protocol = {"3.1": mqtt.MQTTv31, "3.1.1": mqtt.MQTTv311, "5.0": mqtt.MQTTv5}[VERSION]
        kept = {} if IS_V5 else {"clean_session": clean}
        self.mqtt = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, name, protocol=protocol, **kept)
        self.messages, self.acks, self.connects, self.ends = (queue.Queue() for _ in range(4))
        self.mqtt.on_message = lambda client, data, message: self.messages.put(message)
        self.mqtt.on_subscribe = lambda client, data, mid, reasons, _: self.acks.put([r.value for r in reasons])
        self.mqtt.on_unsubscribe = lambda client, data, mid, reasons, _: self.acks.put([r.value for r in reasons])
        self.mqtt.on_connect = lambda client, data, flags, reason, _: self.connects.put((flags, reason))
        self.mqtt.on_disconnect = lambda client, data, flags, reason, _: self.ends.put((flags, reason))
        if will:
            self.mqtt.will_set(**will)
        session = {} if not IS_V5 else {
            "clean_start": clean,
            "properties": properties(PacketTypes.CONNECT, SessionExpiryInterval=0 if clean else 600),
        }
        self.mqtt.connect("127.0.0.1", PORT, keepalive=600, **session)
        self.mqtt.loop_start()
        self.flags, reason = self.connects.get(timeout=WAIT)
        assert not reason.is_failure, reason

    def check_session(self, present):
        assert self.flags.session_present == present or VERSION == "3.1", "which does not say"

    def subscribe(self, topic, qos=0, **options):
        if IS_V5:
            identifier = options.pop("identifier", None)
            number = {} if identifier is None else {"SubscriptionIdentifier": identifier}
            asked = SubscribeOptions(qos=qos, **options)
            self.mqtt.subscribe(topic, options=asked, properties=properties(PacketTypes.SUBSCRIBE, **number))
        else:
            self.mqtt.subscribe(topic, qos)
        return self.acks.get(timeout=WAIT)

    def unsubscribe(self, topic):
        self.mqtt.unsubscribe(topic)
        return self.acks.get(timeout=WAIT)

    def publish(self, topic, payload, qos=0, retain=False, **values):
        sent = properties(PacketTypes.PUBLISH, **values)
        self.mqtt.publish(topic, payload, qos, retain, properties=sent).wait_for_publish(WAIT)

    def next(self):
        return self.messages.get(timeout=WAIT)

    def end(self):
        self.mqtt.disconnect()
        _, reason = self.ends.get(timeout=WAIT)
        assert not reason.is_failure, reason
        self.mqtt.loop_stop()

    def vanish(self):
        """Closes the socket without DISCONNECT."""
        self.mqtt.loop_stop()
        self.mqtt.socket().close()


def check_order(messages, qos_of):
    """Numbered messages are all there, in the order of their numbers within each quality of service."""
    for qos in range(3):
        numbers = [int(message.payload) for message in messages if message.qos == qos]
        assert numbers == [number for number in range(len(messages)) if qos_of(number) == qos], (qos, numbers)


def every_quality_of_service():
    sender, receiver = Client("sender"), Client("receiver")
    for asked in range(3):
        assert receiver.subscribe("qos/+", asked) == [asked]
        for sent in range(3):
            sender.publish(f"qos/{sent}", f"{sent}{asked}", sent)
            message = receiver.next()
            seen = (message.topic, message.payload, message.qos, message.retain)
            assert seen == (f"qos/{sent}", b"%d%d" % (sent, asked), min(sent, asked), False), seen
    sender.end()
    receiver.end()


def order_and_number_of_many_messages():
    sender, receiver = Client("sender"), Client("receiver")
    receiver.subscribe("many", 2)
    sent = [sender.mqtt.publish("many", str(number), number % 3) for number in range(300)]
    for message in sent:
        message.wait_for_publish(WAIT)
    check_order([receiver.next() for _ in range(300)], lambda number: number % 3)
    sender.end()
    receiver.end()


def retained_messages():
    sender, receiver = Client("sender"), Client("receiver")
    sender.publish("kept/a", "first", 1, retain=True)
    sender.publish("kept/a", "second", 1, retain=True)
    receiver.subscribe("kept/#", 1)
    message = receiver.next()
    assert (message.payload, message.retain, message.qos) == (b"second", True, 1)
    sender.publish("kept/a", "", 1, retain=True)
    message = receiver.next()
    assert (message.payload, message.retain) == (b"", False)
    assert receiver.unsubscribe("kept/#") in ([0], [])
    receiver.subscribe("kept/#", 1)
    sender.publish("kept/b", "live", 1)
    assert receiver.next().payload == b"live"
    sender.end()
    receiver.end()


def wills():
    watcher = Client("watcher")
    watcher.subscribe("wills/#", 2)
    will = {"topic": "wills/v", "payload": "gone", "qos": 2, "retain": True}
    if IS_V5:
        will["properties"] = properties(PacketTypes.WILLMESSAGE, ContentType="text/plain", UserProperty=("why", "test"))
    Client("victim", will=will).vanish()
    message = watcher.next()
    assert (message.topic, message.payload, message.qos) == ("wills/v", b"gone", 2)
    if IS_V5:
        assert message.properties.ContentType == "text/plain"
        assert message.properties.UserProperty == [("why", "test")]
    late = Client("late")
    late.subscribe("wills/v", 1)
    assert late.next().retain
    late.publish("wills/v", "", 1, retain=True)
    assert watcher.next().payload == b""
    # Who says goodbye has no will.
    Client("polite", will={"topic": "wills/p", "payload": "gone"}).end()
    late.publish("wills/end", "end", 2)
    assert watcher.next().topic == "wills/end"
    late.end()
    watcher.end()


def sessions():
    Client("sleeper").end()
    sleeper = Client("sleeper", clean=False)
    sleeper.check_session(False)
    sleeper.subscribe("away/+", 2)
    sleeper.vanish()
    sender = Client("sender")
    for number in range(50):
        sender.publish(f"away/{number}", str(number), 1 + number % 2)
    sleeper = Client("sleeper", clean=False)
    sleeper.check_session(True)
    check_order([sleeper.next() for _ in range(50)], lambda number: 1 + number % 2)
    sleeper.end()
    sleeper = Client("sleeper", clean=False)
    sleeper.check_session(True)
    sender.publish("away/last", "last", 1)
    assert sleeper.next().payload == b"last"
    sleeper.end()
    fresh = Client("sleeper")
    fresh.check_session(False)
    fresh.end()
    sender.end()


def a_second_client_of_the_same_name():
    first = Client("twin")
    second = Client("twin")
    flags, _ = first.ends.get(timeout=WAIT)
    # paho-mqtt 2.1 does not read the reason of a DISCONNECT without properties.
    assert flags.is_disconnect_packet_from_server == IS_V5
    first.mqtt.loop_stop()
    assert second.subscribe("twin", 1) == [1]
    second.end()


def large_payloads():
    sender, receiver = Client("sender"), Client("receiver")
    receiver.subscribe("large", 2)
    for qos, size in enumerate((16_383, 2_097_152, 5_000_000)):
        payload = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
        sender.publish("large", payload, qos)
        assert receiver.next().payload == payload, size
    sender.end()
    receiver.end()


def shared_subscriptions():
    sender, members = Client("sender"), [Client(f"member{number}") for number in range(3)]
    for member in members:
        assert member.subscribe("$share/group/jobs/+", 1) == [1]
        member.subscribe("jobs/end", 1)
    for number in range(60):
        sender.publish(f"jobs/{number}", str(number), 1)
    sender.publish("jobs/end", "end", 1)
    seen, ends = [], 0
    for member in members:
        done = []
        # Its own subscription, and for one of them the group's too.
        while b"end" not in done:
            done.append(member.next().payload)
        seen += [int(payload) for payload in done if payload != b"end"]
        assert len(done) > 1, "everybody gets some"
    assert sorted(seen) == list(range(60)), seen
    for client in [sender, *members]:
        client.end()


def properties_travel():
    sender, receiver = Client("sender"), Client("receiver")
    receiver.subscribe("properties", 1, identifier=268_435_455)
    sender.publish(
        "properties", "body", 1, PayloadFormatIndicator=1, MessageExpiryInterval=1000, ContentType="text/plain",
        ResponseTopic="answers/1", CorrelationData=b"\x00\xff", UserProperty=[("a", "1"), ("a", "2"), ("", "")],
        TopicAlias=1,
    )
    got = receiver.next().properties
    assert (got.PayloadFormatIndicator, got.ContentType, got.ResponseTopic) == (1, "text/plain", "answers/1")
    assert got.CorrelationData == b"\x00\xff" and got.UserProperty == [("a", "1"), ("a", "2"), ("", "")]
    assert got.SubscriptionIdentifier == [268_435_455] and 990 <= got.MessageExpiryInterval <= 1000
    # The alias alone.
    sender.publish("", "alias", 1, TopicAlias=1)
    message = receiver.next()
    assert (message.topic, message.payload) == ("properties", b"alias")
    sender.end()
    receiver.end()


def subscription_options():
    one, other = Client("one"), Client("other")
    other.publish("options/kept", "kept", 1, retain=True)
    one.subscribe("options/#", 1, noLocal=True, retainAsPublished=True, retainHandling=2)
    one.publish("options/a", "own", 1)
    other.publish("options/a", "other", 1, retain=True)
    message = one.next()
    assert (message.payload, message.retain) == (b"other", True)
    # The subscription is there already: retained messages come only to a new one.
    one.subscribe("options/#", 1, retainHandling=1)
    one.subscribe("options/kept", 1, retainHandling=1)
    assert one.next().payload == b"kept"
    for topic in ("options/kept", "options/a"):
        other.publish(topic, "", 1, retain=True)
    assert one.unsubscribe("options/none") == [0x11]
    one.end()
    other.end()


CASES = [
    every_quality_of_service, order_and_number_of_many_messages, retained_messages, wills, sessions,
    a_second_client_of_the_same_name, large_payloads,
]
if IS_V5:
    CASES += [shared_subscriptions, properties_travel, subscription_options]
for case in CASES:
    print(f"paho-mqtt {VERSION}: {case.__name__}", flush=True)
    case()
