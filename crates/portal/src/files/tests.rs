use object_store::memory::InMemory;

use super::*;

async fn keep(store: &dyn FileStore, key: &str, chunks: &[usize]) -> Vec<u8> {
    let mut upload = store.begin(key).await.unwrap();
    let mut whole = Vec::new();
    for (index, size) in chunks.iter().enumerate() {
        let chunk = vec![u8::try_from(index).unwrap(); *size];
        whole.extend_from_slice(&chunk);
        upload.write(chunk.into()).await.unwrap();
    }
    upload.finish().await.unwrap();
    whole
}

async fn given(store: &dyn FileStore, key: &str) -> Vec<u8> {
    let found = store.open(key).await.unwrap();
    let chunks: Vec<Bytes> = found.content.try_collect().await.unwrap();
    let whole = chunks.concat();
    assert_eq!(found.bytes, u64::try_from(whole.len()).unwrap());
    whole
}

/// What every store does.
async fn contract(store: &dyn FileStore) {
    for (key, chunks) in [
        ("resumes/a/small", &[1, 2, 3][..]),
        ("resumes/a/a-part", &[PART_BYTES]),
        ("resumes/a/more", &[PART_BYTES, 1]),
        ("resumes/b/large", &[PART_BYTES - 1, PART_BYTES, 7]),
    ] {
        let whole = keep(store, key, chunks).await;
        assert!(given(store, key).await == whole, "{key}");
        store.delete(key).await.unwrap();
        assert!(matches!(store.open(key).await, Err(FileError::Missing)), "{key}");
        store.delete(key).await.unwrap();
    }
    for chunks in [&[10][..], &[PART_BYTES, PART_BYTES]] {
        let mut upload = store.begin("resumes/a/given-up").await.unwrap();
        for size in chunks {
            upload.write(vec![7; *size].into()).await.unwrap();
        }
        upload.give_up().await;
        let found = store.open("resumes/a/given-up").await;
        assert!(matches!(found, Err(FileError::Missing)), "nothing of it is there");
    }
}

#[tokio::test]
async fn a_folder_keeps_files_and_is_made_when_it_is_needed() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("not/there/yet");
    let store = open(&FileSettings::Folder(folder.clone())).unwrap();
    assert!(!folder.exists());
    contract(store.as_ref()).await;
    let is_missing = store.open("../../outside").await;
    assert!(is_missing.is_err(), "no key leads out of it");
}

#[tokio::test]
async fn a_store_in_memory_keeps_the_same_contract() {
    contract(&Objects(Arc::new(InMemory::new()))).await;
    let below = PrefixStore::new(InMemory::new(), "applicants");
    contract(&Objects(Arc::new(below))).await;
}
