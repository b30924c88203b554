use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::block::Compression;

const PATH: &str = "/db/000007.sst";

fn footer() -> Footer {
    Footer {
        id: 7,
        salt: 99,
        data_bytes: 8192,
        file_bytes: 16384,
        sections: vec![
            Section { kind: SectionKind::Index as u32, crc: 1, offset: 8192, len: 100 },
            Section { kind: SectionKind::Properties as u32, crc: 2, offset: 8292, len: 30 },
        ],
    }
}

fn parse(page: &[u8]) -> Result<Footer> {
    Footer::parse(page, Path::new(PATH), 7, 16384)
}

/// Changes a page and makes its checksum right again: what another version, or a bug, would have written.
fn forged(change: impl FnOnce(&mut [u8])) -> Vec<u8> {
    let mut page = footer().encode();
    change(&mut page);
    let crc = crc32fast::hash(&page[..CRC_AT]);
    LE::write_u32(&mut page[CRC_AT..], crc);
    page
}

#[test]
fn a_footer_comes_back() {
    assert_eq!(parse(&footer().encode()).unwrap(), footer());
}

#[test]
fn every_flipped_bit_is_seen() {
    let page = footer().encode();
    for bit in 0..page.len() * 8 {
        let mut bad = page.clone();
        bad[bit / 8] ^= 1 << (bit % 8);
        assert!(matches!(parse(&bad), Err(TableError::Corrupt { .. })), "bit {bit}");
    }
}

#[test]
fn newer_versions_are_refused_politely() {
    for page in [
        forged(|p| LE::write_u32(&mut p[8..], VERSION + 1)),
        forged(|p| LE::write_u32(&mut p[12..], 1)),
        forged(|p| LE::write_u32(&mut p[SECTIONS_AT..], CRITICAL | 77)),
    ] {
        let error = parse(&page).unwrap_err();
        assert!(matches!(error, TableError::NewerVersion { .. }));
        assert!(error.to_string().contains(PATH) && error.to_string().contains("newer version"));
    }
    // A section that may be ignored is.
    assert!(parse(&forged(|p| LE::write_u32(&mut p[SECTIONS_AT..], 77))).is_ok());
}

#[test]
fn foreign_and_swapped_files_are_told() {
    let says = |page: &[u8], words: &str| {
        let text = parse(page).unwrap_err().to_string();
        assert!(text.contains(words), "{text}");
    };
    says(&[0; FOOTER], "no Ringwood table");
    says(&[0; 100], "cut short");
    says(&forged(|p| LE::write_u64(&mut p[16..], 8)), "it is table 8");
    says(&forged(|p| LE::write_u64(&mut p[40..], 20480)), "20480 were written");
    says(&forged(|p| LE::write_u64(&mut p[32..], 1 << 60)), "do not fit");
    says(&forged(|p| LE::write_u64(&mut p[SECTIONS_AT + 16..], u64::MAX)), "do not fit");
    says(&forged(|p| LE::write_u32(&mut p[48..], 500)), "impossible");
}

fn properties() -> Properties {
    Properties {
        entries: 10,
        deletes: 2,
        keys: 9,
        seq_smallest: 5,
        seq_largest: 50,
        key_bytes: 160,
        value_bytes: 1000,
        blocks: 1,
        compression: Compression::Lz4,
        smallest_key: b"a".to_vec(),
        largest_key: b"z".to_vec(),
        creator: "ringwood 0.1.0".into(),
    }
}

#[test]
fn properties_come_back_and_unknown_ones_are_skipped() {
    let mut bytes = Vec::new();
    properties().encode(&mut bytes);
    assert_eq!(Properties::parse(&bytes).unwrap(), properties());
    let with = |tag: u32| {
        let mut more = bytes.clone();
        more.extend_from_slice(&tag.to_le_bytes());
        more.extend_from_slice(&[2, 0, 0, 0, 1, 1]);
        Properties::parse(&more)
    };
    assert_eq!(with(1000).unwrap(), properties());
    assert!(matches!(with(CRITICAL | 1000), Err(crate::error::Fault::Newer(_))));
}

proptest! {
    #[test]
    fn random_properties_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = Properties::parse(&bytes);
    }

    #[test]
    fn damaged_properties_never_panic(at in 0usize..300, byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = Vec::new();
        properties().encode(&mut bytes);
        let at = at % bytes.len();
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        let _ = Properties::parse(&bytes);
    }

    #[test]
    fn random_pages_never_panic(bytes in prop::collection::vec(any::<u8>(), 200)) {
        let page = forged(|p| p[8..208].copy_from_slice(&bytes));
        let _ = parse(&page);
    }
}
