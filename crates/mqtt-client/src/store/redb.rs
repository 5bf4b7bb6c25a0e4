//! A store in one file: redb, an embedded database of ordered tables with atomic, durable transactions.

use std::path::Path;

use bytes::{Bytes, BytesMut};
use mqtt_proto::{Change, PacketId, ReasonCode, Text};
use redb::{Database, ReadableTable, TableDefinition, WriteTransaction};

use super::{Store, StoreError, StoredChange, decode_message, encode_message};

/// Any of redb's errors, boxed: they are large, and a `Result` should not be.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Keeps a client's session and queue in a file.
///
/// Each commit is one transaction that is on the disk (`fsync`) when it returns. A second process that opens the file while
/// the first one has it gets an error.
#[derive(Debug)]
pub struct RedbStore {
    database: Database,
    /// Numbers what must keep its order.
    order: u64,
}

/// Our messages that are under way, by packet id: their order, and the encoded change.
const MESSAGES: TableDefinition<u16, (u64, &[u8])> = TableDefinition::new("messages");
/// Those that the peer has taken over (PUBREC): their order, and the reason.
const RELEASED: TableDefinition<u16, (u64, u8)> = TableDefinition::new("released");
/// The peer's QoS 2 messages that we have taken over, by packet id.
const ACCEPTED: TableDefinition<u16, ()> = TableDefinition::new("accepted");
/// Accepted and not sent, by place.
const QUEUE: TableDefinition<u64, &[u8]> = TableDefinition::new("queue");
/// `session` is there once a session has begun; `client id`, if it was assigned.
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

impl RedbStore {
    /// Opens the file, or makes it.
    ///
    /// # Errors
    ///
    /// If it cannot be opened, is damaged, is no store, or is in use.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, StoreError> {
        let path = path.as_ref();
        let named = |error: &dyn std::fmt::Display| StoreError::new(format!("{}: {error}", path.display()));
        let database = Database::create(path).map_err(|error| named(&error))?;
        let mut store = Self { database, order: 0 };
        // All tables exist from here on, so that reading needs no cases.
        store.commit(&[]).map_err(|error| named(&error))?;
        store.order = store.last_order().map_err(|error| named(&error))?;
        Ok(store)
    }

    fn last_order(&self) -> Result<u64, Failure> {
        let read = self.database.begin_read()?;
        let mut last = 0;
        for row in read.open_table(MESSAGES)?.iter()? {
            last = last.max(row?.1.value().0);
        }
        for row in read.open_table(RELEASED)?.iter()? {
            last = last.max(row?.1.value().0);
        }
        Ok(last)
    }

    fn read(&self) -> Result<Rows, Failure> {
        let read = self.database.begin_read()?;
        let mut rows = Rows::default();
        for row in read.open_table(MESSAGES)?.iter()? {
            let (_, value) = row?;
            let (order, bytes) = value.value();
            rows.messages.push((order, Bytes::copy_from_slice(bytes)));
        }
        for row in read.open_table(RELEASED)?.iter()? {
            let (id, value) = row?;
            let (order, reason) = value.value();
            rows.released.push((order, id.value(), reason));
        }
        for row in read.open_table(ACCEPTED)?.iter()? {
            rows.accepted.push(row?.0.value());
        }
        for row in read.open_table(QUEUE)?.iter()? {
            let (number, value) = row?;
            rows.queue.push((number.value(), Bytes::copy_from_slice(value.value())));
        }
        let meta = read.open_table(META)?;
        rows.has_session = meta.get("session")?.is_some();
        rows.client_id = meta.get("client id")?.map(|value| Bytes::copy_from_slice(value.value()));
        rows.messages.sort_unstable_by_key(|row| row.0);
        rows.released.sort_unstable_by_key(|row| row.0);
        Ok(rows)
    }

    fn write(&mut self, changes: &[Encoded<'_>]) -> Result<(), Failure> {
        let write = self.database.begin_write()?;
        let mut order = self.order;
        {
            let mut tables = Tables::open(&write)?;
            for change in changes {
                tables.apply(change, &mut order)?;
            }
        }
        write.commit()?;
        self.order = order;
        Ok(())
    }
}

impl Store for RedbStore {
    fn load(&mut self) -> Result<Vec<StoredChange>, StoreError> {
        let rows = self.read().map_err(StoreError::new)?;
        let mut changes = Vec::new();
        if let Some(client_id) = rows.client_id {
            changes.push(StoredChange::ClientId(Text::new(client_id).map_err(StoreError::new)?));
        }
        if rows.has_session {
            changes.push(StoredChange::Session(Change::Cleared));
        }
        for (_, bytes) in rows.messages {
            changes.push(StoredChange::Session(Change::decode(bytes).map_err(StoreError::new)?));
        }
        for (_, id, reason) in rows.released {
            changes.push(StoredChange::Session(Change::Released {
                packet_id: packet_id(id)?,
                reason: ReasonCode(reason),
            }));
        }
        for id in rows.accepted {
            changes.push(StoredChange::Session(Change::Accepted { packet_id: packet_id(id)? }));
        }
        for (number, bytes) in rows.queue {
            changes.push(StoredChange::Queued { number, message: decode_message(bytes)? });
        }
        Ok(changes)
    }

    fn commit(&mut self, changes: &[StoredChange]) -> Result<(), StoreError> {
        let encoded = changes.iter().map(Encoded::new).collect::<Result<Vec<_>, _>>()?;
        self.write(&encoded).map_err(StoreError::new)
    }
}

#[derive(Debug, Default)]
struct Rows {
    messages: Vec<(u64, Bytes)>,
    released: Vec<(u64, u16, u8)>,
    accepted: Vec<u16>,
    queue: Vec<(u64, Bytes)>,
    has_session: bool,
    client_id: Option<Bytes>,
}

/// A change and its bytes, made before the transaction begins: encoding can fail, and must not leave half a batch.
struct Encoded<'a> {
    change: &'a StoredChange,
    bytes: Bytes,
}

impl<'a> Encoded<'a> {
    fn new(change: &'a StoredChange) -> Result<Self, StoreError> {
        let bytes = match change {
            StoredChange::Session(change @ Change::Published { .. }) => {
                let mut bytes = BytesMut::new();
                change.encode(&mut bytes).map_err(StoreError::new)?;
                bytes.freeze()
            }
            StoredChange::Queued { message, .. } => encode_message(message)?,
            StoredChange::Session(_) | StoredChange::Unqueued { .. } | StoredChange::ClientId(_) => Bytes::new(),
        };
        Ok(Self { change, bytes })
    }
}

struct Tables<'t> {
    messages: redb::Table<'t, u16, (u64, &'static [u8])>,
    released: redb::Table<'t, u16, (u64, u8)>,
    accepted: redb::Table<'t, u16, ()>,
    queue: redb::Table<'t, u64, &'static [u8]>,
    meta: redb::Table<'t, &'static str, &'static [u8]>,
}

impl<'t> Tables<'t> {
    fn open(write: &'t WriteTransaction) -> Result<Self, Failure> {
        Ok(Self {
            messages: write.open_table(MESSAGES)?,
            released: write.open_table(RELEASED)?,
            accepted: write.open_table(ACCEPTED)?,
            queue: write.open_table(QUEUE)?,
            meta: write.open_table(META)?,
        })
    }

    fn apply(&mut self, Encoded { change, bytes }: &Encoded<'_>, order: &mut u64) -> Result<(), Failure> {
        *order += 1;
        match change {
            StoredChange::ClientId(client_id) => {
                self.meta.insert("client id", client_id.as_bytes())?;
            }
            StoredChange::Queued { number, .. } => {
                self.queue.insert(number, &bytes[..])?;
            }
            StoredChange::Unqueued { number } => {
                self.queue.remove(number)?;
            }
            StoredChange::Session(Change::Cleared) => {
                self.meta.insert("session", &[][..])?;
                self.messages.retain(|_, _| false)?;
                self.released.retain(|_, _| false)?;
                self.accepted.retain(|_, _| false)?;
            }
            // Of a server's session.
            StoredChange::Session(Change::Confirmed) => {}
            StoredChange::Session(Change::Published { packet_id, .. }) => {
                self.messages.insert(packet_id.get(), (*order, &bytes[..]))?;
                self.released.remove(packet_id.get())?;
            }
            StoredChange::Session(Change::Released { packet_id, reason }) => {
                self.released.insert(packet_id.get(), (*order, reason.0))?;
            }
            StoredChange::Session(Change::Finished { packet_id }) => {
                self.messages.remove(packet_id.get())?;
                self.released.remove(packet_id.get())?;
            }
            StoredChange::Session(Change::Accepted { packet_id }) => {
                self.accepted.insert(packet_id.get(), ())?;
            }
            StoredChange::Session(Change::Completed { packet_id }) => {
                self.accepted.remove(packet_id.get())?;
            }
        }
        Ok(())
    }
}

fn packet_id(number: u16) -> Result<PacketId, StoreError> {
    PacketId::new(number).ok_or_else(|| StoreError::new("a stored packet identifier is 0"))
}
