mod remote;

use object_store::memory::InMemory;
use tenancy::{Clock as _, SystemClock};

use super::*;

/// Keeps a file, and gives it up where that fails in the middle, as its guard does.
async fn keep(store: &dyn FileStore, key: &str, chunks: &[usize]) -> Result<Vec<u8>, FileError> {
    let mut upload = store.begin(key).await?;
    let mut whole = Vec::new();
    for (index, size) in chunks.iter().enumerate() {
        let chunk = vec![u8::try_from(index).unwrap(); *size];
        whole.extend_from_slice(&chunk);
        if let Err(error) = upload.write(chunk.into()).await {
            upload.give_up().await;
            return Err(error);
        }
    }
    upload.finish().await?;
    Ok(whole)
}

async fn given(store: &dyn FileStore, key: &str) -> Vec<u8> {
    let found = store.open(key).await.unwrap();
    let chunks: Vec<Bytes> = found.content.try_collect().await.unwrap();
    let whole = chunks.concat();
    assert_eq!(found.bytes, u64::try_from(whole.len()).unwrap());
    whole
}

/// Everything below a prefix, page by page.
async fn all(store: &dyn FileStore, prefix: &str, page: usize) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    loop {
        let found = store.list(prefix, keys.last().map(String::as_str), page).await.unwrap();
        assert!(found.len() <= page);
        let is_last = found.len() < page;
        let age = |file: &Listed| (SystemClock.now() - file.modified).whole_seconds();
        assert!(found.iter().all(|file| (-60..600).contains(&age(file))), "{found:?}");
        keys.extend(found.into_iter().map(|file| file.key));
        if is_last {
            return keys;
        }
    }
}

/// What every store does.
async fn contract(store: &dyn FileStore) {
    assert_eq!(all(store, "resumes", 2).await, Vec::<String>::new());
    for (key, chunks) in [
        ("resumes/a/small", &[1, 2, 3][..]),
        ("resumes/a/a-part", &[PART_BYTES]),
        ("resumes/a/more", &[PART_BYTES, 1]),
        ("resumes/b/large", &[PART_BYTES - 1, PART_BYTES, 7]),
    ] {
        assert!(!store.holds(key).await.unwrap(), "{key}");
        let whole = keep(store, key, chunks).await.unwrap();
        assert!(store.holds(key).await.unwrap(), "{key}");
        assert!(given(store, key).await == whole, "{key}");
        store.delete(key).await.unwrap();
        assert!(matches!(store.open(key).await, Err(FileError::Missing)), "{key}");
        assert!(!store.holds(key).await.unwrap(), "{key}");
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
    let mut keys = Vec::new();
    for key in ["b/1", "a/10", "a/2", "a-b/1", "c/1"].map(|name| format!("resumes/{name}")) {
        let _ = keep(store, &key, &[1]).await.unwrap();
        keys.push(key);
    }
    let _ = keep(store, "resumes-of-others/a", &[1]).await.unwrap();
    keys.sort();
    for page in [1, 2, 5, 100] {
        assert_eq!(all(store, "resumes", page).await, keys, "in pages of {page}");
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
    let objects = |store| Objects { store, is_remote: false };
    contract(&objects(Arc::new(InMemory::new()))).await;
    let below = PrefixStore::new(InMemory::new(), "applicants");
    contract(&objects(Arc::new(below))).await;
}
