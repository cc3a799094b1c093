//! Work that one instance does at a time, in turns, each beginning where the last has ended.

use std::time::Duration;

use time::OffsetDateTime;

use crate::error::StoreError;
use crate::worker_db::WorkerDb;

/// A turn at a chore. It is nobody else's until its time is over; then whoever takes the next one
/// goes on from what was last written down.
#[derive(Debug, PartialEq, Eq)]
pub struct Turn {
    name: &'static str,
    number: i64,
    hold: Duration,
    position: Option<String>,
    found: i64,
}

/// A round of a chore that has ended, whoever ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Round {
    /// When it ended.
    pub ended_at: OffsetDateTime,
    /// How much it found that is noteworthy.
    pub found: i64,
}

/// Takes the next turn, for as long as `hold`, where nobody has one and the chore does not rest.
pub async fn take_turn(
    db: &WorkerDb,
    name: &'static str,
    hold: Duration,
) -> Result<Option<Turn>, StoreError> {
    let taken = sqlx::query!(
        "INSERT INTO chores AS c (name, held_until)
         VALUES ($1, clock_timestamp() + make_interval(secs => $2))
         ON CONFLICT (name) DO UPDATE SET held_until = excluded.held_until, turn = c.turn + 1
         WHERE c.held_until <= clock_timestamp() AND c.rests_until <= clock_timestamp()
         RETURNING turn, position, found",
        name,
        hold.as_secs_f64(),
    )
    .fetch_optional(db.pool())
    .await?;
    Ok(taken.map(|row| Turn {
        name,
        number: row.turn,
        hold,
        position: row.position,
        found: row.found,
    }))
}

impl Turn {
    /// How far the round has come; none at its beginning.
    pub fn position(&self) -> Option<&str> {
        self.position.as_deref()
    }

    /// Writes down how far it has come and what was found since the last time, and holds on for as
    /// long again. False where somebody else has taken over: this one must stop.
    pub async fn reach(
        &mut self,
        db: &WorkerDb,
        position: Option<String>,
        found: u64,
    ) -> Result<bool, StoreError> {
        self.position = position;
        self.found = self.found.saturating_add(i64::try_from(found).unwrap_or(i64::MAX));
        let written = sqlx::query!(
            "UPDATE chores
             SET held_until = clock_timestamp() + make_interval(secs => $3), position = $4,
                 found = $5
             WHERE name = $1 AND turn = $2",
            self.name,
            self.number,
            self.hold.as_secs_f64(),
            self.position,
            self.found,
        )
        .execute(db.pool())
        .await?;
        Ok(written.rows_affected() > 0)
    }

    /// Ends the turn; the round goes on with the next one.
    pub async fn put_down(self, db: &WorkerDb) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE chores SET held_until = clock_timestamp() WHERE name = $1 AND turn = $2",
            self.name,
            self.number,
        )
        .execute(db.pool())
        .await?;
        Ok(())
    }

    /// Ends the round: the next one begins from the start, after a rest.
    pub async fn end_round(self, db: &WorkerDb, rest: Duration) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE chores
             SET held_until = clock_timestamp(),
                 rests_until = clock_timestamp() + make_interval(secs => $3),
                 position = NULL, found = 0, last_found = $4, ended_at = clock_timestamp()
             WHERE name = $1 AND turn = $2",
            self.name,
            self.number,
            rest.as_secs_f64(),
            self.found,
        )
        .execute(db.pool())
        .await?;
        Ok(())
    }
}

/// The last round that ended.
pub async fn last_round(db: &WorkerDb, name: &str) -> Result<Option<Round>, StoreError> {
    Ok(sqlx::query_as!(
        Round,
        r#"SELECT ended_at AS "ended_at!", last_found AS "found!"
           FROM chores WHERE name = $1 AND ended_at IS NOT NULL"#,
        name,
    )
    .fetch_optional(db.pool())
    .await?)
}
