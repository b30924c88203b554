//! Histories of a real store: threads that call it in every way, and note what they did and saw.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use ringwood::{Cursor, Db, Durability, Keyspace, Snapshot, WriteBatch};

use super::{ABSENT, Call, Effect, KeyIndex, State, Tag};
use crate::rng::Rng;

/// Keyspaces that the keys are spread over, in equal parts.
const SPACES: usize = 2;
/// Snapshots and cursors that a thread holds open, at most.
const VIEWS_MAX: usize = 3;

/// What a history is like.
#[derive(Debug, Clone)]
pub struct Shape {
    /// Threads that write and read. Checking takes time exponential in their number.
    pub writers: usize,
    /// Threads that only read.
    pub readers: usize,
    /// Calls of each thread.
    pub calls: usize,
    /// Keys in each of two keyspaces: few, so that threads meet.
    pub keys: usize,
    /// Longest value in bytes.
    pub value_bytes: usize,
    /// How many of a hundred calls of a writer write.
    pub writes: u64,
}

impl Shape {
    /// Draws one, for about so many calls in all.
    #[must_use]
    pub fn draw(rng: &mut Rng, calls: usize) -> Self {
        let (writers, readers) = (rng.within(2..=4) as usize, rng.within(0..=4) as usize);
        Self {
            writers,
            readers,
            calls: calls / (writers + readers),
            keys: rng.within(1..=24) as usize,
            value_bytes: *rng.pick(&[16, 300, 300, 5000]),
            writes: rng.within(20..=80),
        }
    }

    /// The state of an empty store.
    #[must_use]
    pub fn empty(&self) -> State {
        vec![ABSENT; SPACES * self.keys]
    }
}

/// How many calls there were of each kind.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    /// Puts and deletes.
    pub writes: u64,
    /// Batches.
    pub batches: u64,
    /// Gets and multi-gets.
    pub gets: u64,
    /// Scans.
    pub scans: u64,
    /// Snapshots and cursors, and what was read under them as one call each.
    pub views: u64,
}

impl Tally {
    /// Counts `calls` too.
    pub fn add(&mut self, calls: &[Call]) {
        for call in calls {
            *match call.name {
                "put" | "delete" => &mut self.writes,
                "batch" => &mut self.batches,
                "get" | "multi_get" => &mut self.gets,
                "range" => &mut self.scans,
                _ => &mut self.views,
            } += 1;
        }
    }
}

/// The keys of both keyspaces, the numbers of puts, and the moments.
struct Scene<'a> {
    db: &'a Db,
    spaces: [Keyspace; SPACES],
    shape: &'a Shape,
    moments: AtomicU64,
    tags: &'a AtomicU32,
}

/// Runs threads on `db` and returns their history, which ends with a scan of everything when all were done. `tags` holds the last number of a
/// put that the store has seen.
///
/// # Panics
/// If a call fails, or gives a key or value that nobody put there.
#[must_use]
pub fn round(db: &Db, shape: &Shape, seed: u64, tags: &AtomicU32) -> Vec<Call> {
    let spaces = ["default", "other"].map(|name| db.keyspace(name).expect("a keyspace"));
    let scene = Scene { db, spaces, shape, moments: AtomicU64::new(0), tags };
    let all = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for number in 0..shape.writers + shape.readers {
            let (scene, all) = (&scene, &all);
            scope.spawn(move || {
                let rng = Rng::new(seed ^ (number as u64 + 1) << 48);
                let mut thread = Thread { scene, number, rng, calls: Vec::new(), views: Vec::new() };
                for _ in 0..shape.calls {
                    thread.call();
                }
                while !thread.views.is_empty() {
                    thread.close_view();
                }
                all.lock().unwrap_or_else(PoisonError::into_inner).append(&mut thread.calls);
            });
        }
    });
    let mut last =
        Thread { scene: &scene, number: 0, rng: Rng::new(seed), calls: Vec::new(), views: Vec::new() };
    last.open_snapshot();
    for space in 0..SPACES {
        let View { what: Viewing::Snapshot(snapshot), .. } = &last.views[0] else { unreachable!() };
        let snapshot = snapshot.keyspace(&scene.spaces[space]);
        last.views[0].seen.extend(scene.scan(space, 0, shape.keys, false, || snapshot.iter()).0);
    }
    last.close_view();
    let mut all = all.into_inner().unwrap_or_else(PoisonError::into_inner);
    all.append(&mut last.calls);
    all
}

type Seen = Vec<(KeyIndex, Tag)>;

impl Scene<'_> {
    /// The next moment. Whatever happened before is seen by whoever draws a later one.
    fn moment(&self) -> u64 {
        self.moments.fetch_add(1, Ordering::SeqCst)
    }

    fn index(&self, space: usize, key: usize) -> KeyIndex {
        space * self.shape.keys + key
    }

    fn key(key: usize) -> Vec<u8> {
        format!("key {key:04}").into_bytes()
    }

    /// The value of put number `tag`: nobody else's, in no part.
    fn value(&self, index: KeyIndex, tag: Tag) -> Vec<u8> {
        let mut value = tag.to_le_bytes().to_vec();
        value.extend((index as u32).to_le_bytes());
        let mut rng = Rng::new(u64::from(tag));
        let filler = rng.below(self.shape.value_bytes as u64) as usize;
        value.extend(rng.bytes(filler));
        value
    }

    /// Which put of this key the value is of.
    fn tag(&self, index: KeyIndex, value: Option<&[u8]>) -> Tag {
        let Some(value) = value else { return ABSENT };
        let tag = value.first_chunk::<4>().map_or(ABSENT, |b| Tag::from_le_bytes(*b));
        assert!(
            tag != ABSENT && self.value(index, tag) == value,
            "key {index} has a value that nobody put there: {} bytes, {:?}…",
            value.len(),
            &value[..value.len().min(12)]
        );
        tag
    }

    /// The number that stands in a key's text.
    fn number(key: &[u8]) -> usize {
        let text = std::str::from_utf8(key).ok().and_then(|k| k.strip_prefix("key ")?.parse().ok());
        text.unwrap_or_else(|| panic!("a key that nobody put there: {}", key.escape_ascii()))
    }

    /// What a scan of the keys `from..to` tells of each of them, and the moments of the call that made it.
    fn scan(
        &self,
        space: usize,
        from: usize,
        to: usize,
        backwards: bool,
        make: impl FnOnce() -> ringwood::Result<ringwood::Range>,
    ) -> (Seen, (u64, u64)) {
        let called = self.moment();
        let range = make().expect("a scan");
        let returned = self.moment();
        let entries: Vec<_> = if backwards { range.rev().collect() } else { range.collect() };
        let mut seen: Seen = (from..to).map(|key| (self.index(space, key), ABSENT)).collect();
        for entry in entries {
            let (key, value) = entry.expect("a scan");
            let key = Self::number(&key);
            assert!((from..to).contains(&key), "a scan of {from}..{to} met key {key}");
            let (index, tag) = &mut seen[key - from];
            assert_eq!(*tag, ABSENT, "a scan met key {key} twice");
            *tag = self.tag(*index, Some(&value));
        }
        (seen, (called, returned))
    }
}

enum Viewing {
    Snapshot(Snapshot),
    Cursor { cursor: Box<Cursor>, space: usize },
}

/// A snapshot or cursor that is open, the moments of the call that took it, and all that was seen under it.
struct View {
    what: Viewing,
    span: (u64, u64),
    seen: Seen,
}

struct Thread<'a> {
    scene: &'a Scene<'a>,
    number: usize,
    rng: Rng,
    calls: Vec<Call>,
    views: Vec<View>,
}

impl Thread<'_> {
    fn note(&mut self, name: &'static str, span: (u64, u64), effect: Effect) {
        self.calls.push(Call { thread: self.number, name, called: span.0, returned: span.1, effect });
    }

    fn timed<T>(&self, call: impl FnOnce() -> T) -> (T, (u64, u64)) {
        let called = self.scene.moment();
        let result = call();
        (result, (called, self.scene.moment()))
    }

    fn call(&mut self) {
        if self.number < self.scene.shape.writers && self.rng.percent(self.scene.shape.writes) {
            match self.rng.below(10) {
                0..=5 => self.put_or_delete(),
                _ => self.batch(),
            }
            return;
        }
        match self.rng.below(16) {
            0..=3 => self.get(),
            4 | 5 => self.multi_get(),
            6 | 7 => self.range(),
            8 | 9 if self.views.len() < VIEWS_MAX => self.open_snapshot(),
            10 if self.views.len() < VIEWS_MAX => self.open_cursor(),
            11..=14 if !self.views.is_empty() => self.look(),
            15 if self.rng.one_in(40) => self.upkeep(),
            _ if !self.views.is_empty() => self.close_view(),
            _ => self.get(),
        }
    }

    /// Neither changes what anyone sees.
    fn upkeep(&mut self) {
        let done = if self.rng.one_in(4) { self.scene.db.compact() } else { self.scene.db.flush() };
        done.expect("a flush or a compaction");
    }

    fn durability(&mut self) -> Durability {
        match self.rng.below(40) {
            0 => Durability::Synced,
            1..=8 => Durability::None,
            _ => Durability::Buffered,
        }
    }

    fn some_key(&mut self) -> (usize, usize) {
        (self.rng.index(SPACES), self.rng.index(self.scene.shape.keys))
    }

    /// A change of a key: its number in a put, or a delete.
    fn some_tag(&mut self) -> Tag {
        if self.rng.one_in(5) { ABSENT } else { self.scene.tags.fetch_add(1, Ordering::Relaxed) + 1 }
    }

    fn put_or_delete(&mut self) {
        let ((space, key), tag, durability) = (self.some_key(), self.some_tag(), self.durability());
        let (scene, index) = (self.scene, self.scene.index(space, key));
        let (handle, value) = (&scene.spaces[space], scene.value(index, tag));
        let (result, span) = self.timed(|| match tag {
            ABSENT => handle.delete_with(Scene::key(key), durability),
            _ => handle.put_with(Scene::key(key), value, durability),
        });
        result.expect("a write");
        self.note(if tag == ABSENT { "delete" } else { "put" }, span, Effect::Write(vec![(index, tag)]));
    }

    fn batch(&mut self) {
        let (mut batch, mut keys) = (WriteBatch::new(), Seen::new());
        for _ in 0..self.rng.within(2..=6) {
            let ((space, key), tag) = (self.some_key(), self.some_tag());
            let (handle, index) = (&self.scene.spaces[space], self.scene.index(space, key));
            match tag {
                ABSENT => batch.delete_in(handle, Scene::key(key)),
                _ => batch.put_in(handle, Scene::key(key), self.scene.value(index, tag)),
            }
            .expect("within limits");
            // The last operation on a key is what counts.
            keys.retain(|(k, _)| *k != index);
            keys.push((index, tag));
        }
        let durability = self.durability();
        let (result, span) = self.timed(|| self.scene.db.write(&batch, durability));
        result.expect("a batch");
        self.note("batch", span, Effect::Write(keys));
    }

    fn get(&mut self) {
        let (space, key) = self.some_key();
        let (scene, index) = (self.scene, self.scene.index(space, key));
        let (got, span) = self.timed(|| scene.spaces[space].get(Scene::key(key)).expect("a get"));
        self.note("get", span, Effect::Read(vec![(index, scene.tag(index, got.as_deref()))]));
    }

    fn some_keys(&mut self) -> (usize, Vec<usize>) {
        let count = self.rng.within(1..=6);
        (self.rng.index(SPACES), (0..count).map(|_| self.rng.index(self.scene.shape.keys)).collect())
    }

    fn multi_get(&mut self) {
        let (space, keys) = self.some_keys();
        let texts: Vec<_> = keys.iter().map(|&k| Scene::key(k)).collect();
        let (got, span) = self.timed(|| self.scene.spaces[space].multi_get(&texts).expect("a multi-get"));
        let seen = keys.iter().zip(got).map(|(&key, value)| {
            let index = self.scene.index(space, key);
            (index, self.scene.tag(index, value.as_deref()))
        });
        let seen = seen.collect();
        self.note("multi_get", span, Effect::Read(seen));
    }

    fn some_range(&mut self) -> (usize, usize, usize, bool) {
        let from = self.rng.index(self.scene.shape.keys);
        let to = self.rng.within(from as u64 + 1..=self.scene.shape.keys as u64) as usize;
        (self.rng.index(SPACES), from, to, self.rng.one_in(2))
    }

    fn range(&mut self) {
        let (space, from, to, backwards) = self.some_range();
        let handle = &self.scene.spaces[space];
        let make = || handle.range(Scene::key(from)..Scene::key(to));
        let (seen, span) = self.scene.scan(space, from, to, backwards, make);
        self.note("range", span, Effect::Read(seen));
    }

    fn open_snapshot(&mut self) {
        let (snapshot, span) = self.timed(|| self.scene.db.snapshot());
        self.views.push(View { what: Viewing::Snapshot(snapshot), span, seen: Seen::new() });
    }

    fn open_cursor(&mut self) {
        let space = self.rng.index(SPACES);
        let (cursor, span) = self.timed(|| self.scene.spaces[space].cursor().expect("a cursor"));
        self.views.push(View {
            what: Viewing::Cursor { cursor: Box::new(cursor), space },
            span,
            seen: Seen::new(),
        });
    }

    fn close_view(&mut self) {
        let at = self.rng.index(self.views.len());
        let View { what, span, mut seen } = self.views.swap_remove(at);
        let name = if matches!(what, Viewing::Snapshot(_)) { "snapshot" } else { "cursor" };
        // The same answer again says nothing new.
        seen.sort_unstable();
        seen.dedup();
        self.note(name, span, Effect::Read(seen));
    }

    /// Reads once more under a snapshot or cursor.
    fn look(&mut self) {
        let at = self.rng.index(self.views.len());
        let mut view = self.views.swap_remove(at);
        match &mut view.what {
            Viewing::Snapshot(snapshot) => {
                let snapshot = snapshot.clone();
                self.look_at(&snapshot, &mut view.seen);
            }
            Viewing::Cursor { cursor, space } => self.look_through(cursor, *space, &mut view.seen),
        }
        self.views.push(view);
    }

    fn look_at(&mut self, snapshot: &Snapshot, seen: &mut Seen) {
        let scene = self.scene;
        if self.rng.one_in(2) {
            let (space, from, to, backwards) = self.some_range();
            let snapshot = snapshot.keyspace(&scene.spaces[space]);
            let make = || snapshot.range(Scene::key(from)..Scene::key(to));
            seen.extend(scene.scan(space, from, to, backwards, make).0);
            return;
        }
        let (space, keys) = self.some_keys();
        let snapshot = snapshot.keyspace(&scene.spaces[space]);
        let texts: Vec<_> = keys.iter().map(|&k| Scene::key(k)).collect();
        let values = if let [text] = &texts[..] {
            vec![snapshot.get(text).expect("a get")]
        } else {
            snapshot.multi_get(&texts).expect("a multi-get")
        };
        for (key, value) in keys.into_iter().zip(values) {
            let index = scene.index(space, key);
            seen.push((index, scene.tag(index, value.as_deref())));
        }
    }

    /// Seeks, or steps: where the cursor lands, and which keys are not there between.
    fn look_through(&mut self, cursor: &mut Cursor, space: usize, seen: &mut Seen) {
        let (scene, keys) = (self.scene, self.scene.shape.keys);
        let position = cursor.valid().then(|| Scene::number(cursor.key()));
        let target = self.rng.index(keys);
        // Keys of the way, in its direction.
        let (found, way): (_, Vec<usize>) = match (position, self.rng.below(4)) {
            (Some(at), 0) => (cursor.next(), (at + 1..keys).collect()),
            (Some(at), 1) => (cursor.prev(), (0..at).rev().collect()),
            (_, 0 | 2) => (cursor.seek(&Scene::key(target)), (target..keys).collect()),
            _ => (cursor.seek_for_prev(&Scene::key(target)), (0..=target).rev().collect()),
        };
        let landed = found.expect("a cursor").then(|| Scene::number(cursor.key()));
        for key in way {
            let index = scene.index(space, key);
            if landed == Some(key) {
                seen.push((index, scene.tag(index, Some(cursor.value()))));
                return;
            }
            seen.push((index, ABSENT));
        }
        assert_eq!(landed, None, "a cursor landed off its way");
    }
}
