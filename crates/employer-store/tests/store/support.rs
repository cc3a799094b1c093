//! A store, tenants that nobody else uses, and jobs to put into them.

use employer_store::jobs::{
    self, EmploymentType, Job, JobFilter, JobLocation, JobQuery, JobSort, JobStatus, NewJob,
    Salary, SalaryPeriod, StatusChange, WorkplaceType, WriteOutcome,
};
use employer_store::testing::{self, NewTenant, TestDatabase, TestTenant};
use employer_store::{TenantDb, TenantTx, WorkerDb};
use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};
use tenancy::{JobId, JobView, Role};

pub(crate) struct Store {
    pub(crate) database: TestDatabase,
    pub(crate) db: TenantDb,
    pub(crate) worker: WorkerDb,
}

#[expect(clippy::disallowed_methods, reason = "the runner of the tests says where the server is")]
fn server() -> String {
    std::env::var("PORTAL_TEST_PG_SUPERUSER_URL").expect(
        "no PostgreSQL to test with: run `cargo xtask test`, which starts one and sets \
         PORTAL_TEST_PG_SUPERUSER_URL",
    )
}

impl Store {
    pub(crate) async fn open() -> Self {
        Self::over(testing::provision_database(&server()).await.unwrap())
    }

    /// In a database of its own: other tests' workers, and portals of the black-box tests, take
    /// the events of the shared one.
    pub(crate) async fn open_for(purpose: &str) -> Self {
        Self::over(testing::provision_database_for(&server(), purpose).await.unwrap())
    }

    fn over(database: TestDatabase) -> Self {
        let db = database.tenant_db().unwrap();
        let worker = database.worker_db().unwrap();
        Self { database, db, worker }
    }

    pub(crate) async fn tenant(&self) -> TestTenant {
        self.tenant_like(NewTenant::default()).await
    }

    pub(crate) async fn tenant_like(&self, wanted: NewTenant) -> TestTenant {
        testing::create_tenant(&self.database, &wanted).await.unwrap()
    }

    /// A transaction of the tenant's recruiter.
    pub(crate) async fn begin(&self, tenant: &TestTenant) -> TenantTx {
        self.begin_as(tenant, Role::Recruiter).await
    }

    pub(crate) async fn begin_as(&self, tenant: &TestTenant, role: Role) -> TenantTx {
        let actor = tenant.member(role).unwrap().actor();
        self.db.begin(&tenant.scope, &actor).await.unwrap()
    }

    /// Makes a job in a transaction of its own.
    pub(crate) async fn create(&self, tenant: &TestTenant, new: &NewJob) -> Job {
        let mut tx = self.begin(tenant).await;
        let job = jobs::create_job(&mut tx, new).await.unwrap();
        tx.commit().await.unwrap();
        job
    }

    /// Makes a job in a transaction of its own and takes it to a state.
    pub(crate) async fn create_in(
        &self,
        tenant: &TestTenant,
        new: &NewJob,
        status: JobStatus,
    ) -> Job {
        let mut tx = self.begin(tenant).await;
        let job = jobs::create_job(&mut tx, new).await.unwrap();
        let job = take_to(&mut tx, job, status).await;
        tx.commit().await.unwrap();
        job
    }

    pub(crate) async fn titles(&self, tenant: &TestTenant, filter: JobFilter) -> Vec<String> {
        self.titles_seen(tenant, JobView::All, filter).await
    }

    /// The titles that a list shows, in alphabetical order.
    pub(crate) async fn titles_seen(
        &self,
        tenant: &TestTenant,
        view: JobView,
        filter: JobFilter,
    ) -> Vec<String> {
        let mut tx = self.db.begin_read(&tenant.scope).await.unwrap();
        let count = jobs::count_jobs(&mut tx, view, &filter).await.unwrap();
        let page =
            jobs::list_jobs(&mut tx, &JobQuery { view, filter, ..by_title() }).await.unwrap();
        assert_eq!(count, i64::try_from(page.jobs.len()).unwrap(), "count and list agree");
        page.jobs.into_iter().map(|job| job.title).collect()
    }

    pub(crate) async fn superuser(&self) -> PgConnection {
        connect(&self.database.superuser_url).await
    }
}

pub(crate) async fn connect(url: &str) -> PgConnection {
    PgConnection::connect_with(&url.parse::<PgConnectOptions>().unwrap()).await.unwrap()
}

pub(crate) fn by_title() -> JobQuery {
    JobQuery {
        view: JobView::All,
        filter: JobFilter::default(),
        sort: JobSort::Title,
        after: None,
        skip: 0,
        limit: 100,
    }
}

/// A job that lacks nothing that publishing takes.
pub(crate) fn a_job(title: &str) -> NewJob {
    NewJob {
        title: title.to_owned(),
        department: Some("Care".to_owned()),
        employment_type: EmploymentType::FullTime,
        experience_level: None,
        workplace: WorkplaceType::Onsite,
        locations: vec![place("DE", Some("Berlin"), Some("Berlin"))],
        skills: vec!["Patience".to_owned()],
        salary: Some(Salary {
            min: 4_000_000,
            max: 5_000_000,
            currency: "EUR".to_owned(),
            period: SalaryPeriod::Year,
        }),
        pay_blurb: None,
        openings: 1,
        valid_through: None,
        description: "Look after people.".to_owned(),
        lang: None,
    }
}

pub(crate) fn place(country: &str, region: Option<&str>, city: Option<&str>) -> JobLocation {
    JobLocation {
        country: country.to_owned(),
        region: region.map(str::to_owned),
        city: city.map(str::to_owned),
    }
}

pub(crate) fn done<T: std::fmt::Debug>(outcome: WriteOutcome<T>) -> T {
    match outcome {
        WriteOutcome::Done(value) => value,
        other => panic!("not done: {other:?}"),
    }
}

/// Takes a draft to a state by the steps of the life cycle.
pub(crate) async fn take_to(tx: &mut TenantTx, job: Job, status: JobStatus) -> Job {
    let publish = StatusChange::Publish { valid_through: None };
    let close = StatusChange::Close { reason: jobs::CloseReason::Filled };
    let steps: &[StatusChange] = match status {
        JobStatus::Draft => &[],
        JobStatus::Published => &[publish],
        JobStatus::Paused => &[publish, StatusChange::Pause],
        JobStatus::Closed => &[publish, close],
        JobStatus::Archived => &[StatusChange::Archive],
    };
    let mut job = job;
    for step in steps {
        job = done(jobs::change_status(tx, job.summary.id, None, step).await.unwrap());
    }
    assert_eq!(job.summary.status, status);
    job
}

/// Puts a member on a job's team.
pub(crate) async fn assign(tx: &mut TenantTx, tenant: &TestTenant, job: JobId, access: &str) {
    let user = tenant.member(Role::HiringManager).unwrap().user;
    sqlx::query(
        "INSERT INTO job_team (tenant_id, job_id, user_id, access) VALUES ($1, $2, $3, $4)",
    )
    .bind(tenant.scope.tenant().as_uuid())
    .bind(job.as_uuid())
    .bind(user.as_uuid())
    .bind(access)
    .execute(testing::connection(tx))
    .await
    .unwrap();
}
