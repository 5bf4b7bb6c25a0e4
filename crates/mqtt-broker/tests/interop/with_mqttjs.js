// mqtt.js against the broker on PORT: `node with_mqttjs.js PORT 3.1|3.1.1|5.0`. Prints each case before it runs it.
//
// Nothing sleeps: to see that a message does not come, a case waits for one that was published after it.
'use strict'
const assert = require('node:assert/strict')
const mqtt = require('mqtt')

const [port, version] = [Number(process.argv[2]), process.argv[3]]
const isV5 = version === '5.0'
const protocol = { 3.1: { protocolId: 'MQIsdp', protocolVersion: 3 }, '3.1.1': { protocolVersion: 4 }, '5.0': { protocolVersion: 5 } }[version]

// A client that is connected, with its messages as a queue.
async function connect (clientId, { clean = true, aliases, ...rest } = {}) {
  const properties = isV5 ? { sessionExpiryInterval: clean ? 0 : 600, topicAliasMaximum: aliases } : undefined
  const client = mqtt.connect({ host: '127.0.0.1', port, clientId, clean, properties, reconnectPeriod: 0, keepalive: 600, ...protocol, ...rest })
  const [messages, waiting] = [[], []]
  client.on('message', (topic, payload, packet) => {
    // In the packet the topic may be an alias.
    const message = { ...packet, topic, payload, text: payload.toString() }
    waiting.length ? waiting.shift()(message) : messages.push(message)
  })
  client.next = () => messages.length ? messages.shift() : new Promise(resolve => waiting.push(resolve))
  client.vanish = () => new Promise(resolve => client.once('close', resolve).stream.destroy())
  client.connack = await new Promise((resolve, reject) => client.once('connect', resolve).once('error', reject))
  return client
}

// Numbered messages are all there, in the order of their numbers within each quality of service.
async function checkOrder (client, count, qosOf) {
  const seen = []
  while (seen.length < count) seen.push(await client.next())
  for (const qos of [0, 1, 2]) {
    const numbers = seen.filter(message => message.qos === qos).map(message => Number(message.text))
    assert.deepEqual(numbers, [...Array(count).keys()].filter(number => qosOf(number) === qos))
  }
}

const cases = {
  async everyQualityOfService () {
    const [sender, receiver] = [await connect('sender'), await connect('receiver')]
    for (const asked of [0, 1, 2]) {
      const [granted] = await receiver.subscribeAsync('qos/+', { qos: asked })
      assert.equal(granted.qos, asked)
      for (const qos of [0, 1, 2]) {
        await sender.publishAsync(`qos/${qos}`, `${qos}${asked}`, { qos })
        const message = await receiver.next()
        assert.deepEqual([message.topic, message.text, message.qos, message.retain], [`qos/${qos}`, `${qos}${asked}`, Math.min(qos, asked), false])
      }
    }
    await Promise.all([sender.endAsync(), receiver.endAsync()])
  },

  async orderAndNumberOfManyMessages () {
    const [sender, receiver] = [await connect('sender'), await connect('receiver')]
    await receiver.subscribeAsync('many', { qos: 2 })
    // A few at a time: mqtt.js does not look at the server's Receive Maximum.
    for (let first = 0; first < 300; first += 15) {
      const numbers = [...Array(15).keys()].map(number => first + number)
      await Promise.all(numbers.map(number => sender.publishAsync('many', `${number}`, { qos: number % 3 })))
    }
    await checkOrder(receiver, 300, number => number % 3)
    await Promise.all([sender.endAsync(), receiver.endAsync()])
  },

  async retainedMessages () {
    const [sender, receiver] = [await connect('sender'), await connect('receiver')]
    await sender.publishAsync('kept/a', 'first', { qos: 1, retain: true })
    await sender.publishAsync('kept/a', 'second', { qos: 1, retain: true })
    await receiver.subscribeAsync('kept/#', { qos: 1 })
    const message = await receiver.next()
    assert.deepEqual([message.text, message.retain, message.qos], ['second', true, 1])
    await sender.publishAsync('kept/a', '', { qos: 1, retain: true })
    assert.equal((await receiver.next()).text, '')
    await receiver.unsubscribeAsync('kept/#')
    await receiver.subscribeAsync('kept/#', { qos: 1 })
    await sender.publishAsync('kept/b', 'live', { qos: 1 })
    assert.equal((await receiver.next()).text, 'live')
    await Promise.all([sender.endAsync(), receiver.endAsync()])
  },

  async wills () {
    const watcher = await connect('watcher')
    await watcher.subscribeAsync('wills/#', { qos: 2 })
    const properties = isV5 ? { contentType: 'text/plain', userProperties: { why: 'test' } } : undefined
    const victim = await connect('victim', { will: { topic: 'wills/v', payload: 'gone', qos: 2, properties } })
    await victim.vanish()
    const message = await watcher.next()
    assert.deepEqual([message.topic, message.text, message.qos], ['wills/v', 'gone', 2])
    if (isV5) assert.deepEqual({ ...message.properties.userProperties }, { why: 'test' })
    // Who says goodbye has no will.
    const polite = await connect('polite', { will: { topic: 'wills/p', payload: 'gone' } })
    await polite.endAsync()
    await watcher.publishAsync('wills/end', 'end', { qos: 2 })
    assert.equal((await watcher.next()).topic, 'wills/end')
    await watcher.endAsync()
  },

  async sessions () {
    await (await connect('sleeper')).endAsync()
    let sleeper = await connect('sleeper', { clean: false })
    const checkSession = present => assert.ok(sleeper.connack.sessionPresent === present || version === '3.1')
    checkSession(false)
    await sleeper.subscribeAsync('away/+', { qos: 2 })
    await sleeper.vanish()
    const sender = await connect('sender')
    for (let number = 0; number < 50; number++) await sender.publishAsync(`away/${number}`, `${number}`, { qos: 1 + number % 2 })
    sleeper = await connect('sleeper', { clean: false, resubscribe: false })
    checkSession(true)
    await checkOrder(sleeper, 50, number => 1 + number % 2)
    await sleeper.endAsync()
    sleeper = await connect('sleeper')
    checkSession(false)
    await Promise.all([sender.endAsync(), sleeper.endAsync()])
  },

  async largePayloads () {
    const [sender, receiver] = [await connect('sender'), await connect('receiver')]
    await receiver.subscribeAsync('large', { qos: 2 })
    for (const [qos, size] of [16_383, 2_097_152, 5_000_000].entries()) {
      const payload = Buffer.alloc(size, 'payload')
      await sender.publishAsync('large', payload, { qos })
      assert.ok((await receiver.next()).payload.equals(payload), `${size}`)
    }
    await Promise.all([sender.endAsync(), receiver.endAsync()])
  }
}

const casesOfV5 = {
  async sharedSubscriptions () {
    const sender = await connect('sender')
    const members = await Promise.all(['a', 'b', 'c'].map(name => connect(name)))
    for (const member of members) {
      await member.subscribeAsync('$share/group/jobs/+', { qos: 1 })
      await member.subscribeAsync('end', { qos: 1 })
    }
    for (let number = 0; number < 60; number++) await sender.publishAsync(`jobs/${number}`, `${number}`, { qos: 1 })
    await sender.publishAsync('end', 'end', { qos: 1 })
    const seen = []
    for (const member of members) {
      const before = seen.length
      for (let message; (message = await member.next()).text !== 'end';) seen.push(Number(message.text))
      assert.ok(seen.length > before, 'everybody gets some')
    }
    assert.deepEqual(seen.sort((a, b) => a - b), [...Array(60).keys()])
    await Promise.all([sender, ...members].map(client => client.endAsync()))
  },

  async propertiesTravel () {
    const [sender, receiver] = [await connect('sender'), await connect('receiver')]
    await receiver.subscribeAsync('properties', { qos: 1, properties: { subscriptionIdentifier: 268_435_455 } })
    const properties = {
      payloadFormatIndicator: true,
      contentType: 'text/plain',
      responseTopic: 'answers/1',
      correlationData: Buffer.from([0, 255]),
      userProperties: { a: ['1', '2'], b: '' }
    }
    await sender.publishAsync('properties', 'body', { qos: 1, properties: { messageExpiryInterval: 1000, topicAlias: 1, ...properties } })
    const { messageExpiryInterval, subscriptionIdentifier, topicAlias, ...got } = (await receiver.next()).properties
    assert.deepEqual({ ...got, userProperties: { ...got.userProperties } }, properties)
    assert.ok(messageExpiryInterval > 990 && messageExpiryInterval <= 1000)
    assert.equal(subscriptionIdentifier, 268_435_455)
    // The alias alone.
    await sender.publishAsync('', 'alias', { qos: 1, properties: { topicAlias: 1 } })
    const message = await receiver.next()
    assert.deepEqual([message.topic, message.text], ['properties', 'alias'])
    await Promise.all([sender.endAsync(), receiver.endAsync()])
  },

  async subscriptionOptions () {
    const [one, other] = [await connect('one'), await connect('other')]
    await other.publishAsync('options/kept', 'kept', { qos: 1, retain: true })
    await one.subscribeAsync('options/#', { qos: 1, nl: true, rap: true, rh: 2 })
    await one.publishAsync('options/a', 'own', { qos: 1 })
    await other.publishAsync('options/a', 'other', { qos: 1, retain: true })
    const message = await one.next()
    assert.deepEqual([message.text, message.retain], ['other', true])
    for (const topic of ['options/kept', 'options/a']) await other.publishAsync(topic, '', { qos: 1, retain: true })
    await Promise.all([one.endAsync(), other.endAsync()])
  },

  // At QoS 2 mqtt.js 5.16 reports an empty topic instead of what the alias stands for.
  async aServersTopicAliases () {
    const [sender, receiver] = [await connect('sender'), await connect('receiver', { aliases: 2 })]
    await receiver.subscribeAsync('aliases/#', { qos: 1 })
    for (let number = 0; number < 12; number++) await sender.publishAsync(`aliases/${number % 4}`, `${number}`, { qos: number % 2 })
    const seen = []
    while (seen.length < 12) seen.push(await receiver.next())
    for (const { topic, text } of seen) assert.equal(topic, `aliases/${Number(text) % 4}`)
    await Promise.all([sender.endAsync(), receiver.endAsync()])
  },

  async aServersDisconnect () {
    const first = await connect('twin')
    const told = new Promise(resolve => first.once('disconnect', resolve))
    const second = await connect('twin')
    assert.equal((await told).reasonCode, 0x8e)
    await second.endAsync()
  }
}

async function main () {
  for (const [name, run] of Object.entries(isV5 ? { ...cases, ...casesOfV5 } : cases)) {
    console.log(`mqtt.js ${version}: ${name}`)
    await run()
  }
}

const tooLong = setTimeout(() => { throw new Error('nothing came for two minutes') }, 120_000)
main().then(() => clearTimeout(tooLong), error => { console.error(error); process.exit(1) })
