//! What is asked over HTTP, and what the database says to it.

use std::fmt;

use employer_store::TenantDb;
use employer_store::jobs::{
    self, EmploymentType, JobFilter, JobQuery, JobSort, JobStatus, WorkplaceType,
};
use portal_tests::client::Browser;
use serde_json::{Value, json};
use tenancy::{JobId, JobView, TenantScope};

/// A question about jobs.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    List { filter: JobFilter, filters: &'static str, sort: JobSort, skip: u32, limit: u16 },
    Count(JobFilter, &'static str),
    Overview,
    Facets(JobFilter, &'static str),
    Job(String),
}

impl Question {
    /// Everything that is asked, with one question for each job.
    pub(crate) fn all(jobs: &[String]) -> Vec<Self> {
        let list = |(filters, filter): (&'static str, JobFilter)| Self::List {
            sort: if filter.text.is_some() { JobSort::Relevance } else { JobSort::Newest },
            filter,
            filters,
            skip: 0,
            limit: 20,
        };
        let page = |sort, skip, limit| Self::List {
            filter: JobFilter::default(),
            filters: "",
            sort,
            skip,
            limit,
        };
        let mut questions: Vec<Self> = filters().into_iter().map(list).collect();
        questions.extend([
            page(JobSort::Updated, 0, 20),
            page(JobSort::Title, 0, 3),
            page(JobSort::SalaryHigh, 0, 3),
            page(JobSort::Oldest, 2, 2),
            page(JobSort::Newest, 3, 3),
            Self::Overview,
        ]);
        questions.extend(filters().into_iter().map(|(words, filter)| Self::Facets(filter, words)));
        let counted = filters().into_iter().take(4);
        questions.extend(counted.map(|(words, filter)| Self::Count(filter, words)));
        questions.extend(jobs.iter().cloned().map(Self::Job));
        questions
    }

    fn path(&self) -> String {
        match self {
            Self::List { filters, sort, skip, limit, .. } => {
                let sort = if *sort == JobSort::SalaryHigh { "salary" } else { sort.as_str() };
                format!("/api/jobs?sort={sort}&skip={skip}&limit={limit}&{filters}")
            }
            Self::Count(_, filters) => format!("/api/jobs?count=true&limit=1&{filters}"),
            Self::Overview => "/api/jobs/stats/overview".to_owned(),
            Self::Facets(_, filters) => format!("/api/jobs/facets?{filters}"),
            Self::Job(id) => format!("/api/jobs/{id}"),
        }
    }
}

impl fmt::Display for Question {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.path())
    }
}

/// Filters in their two spellings.
fn filters() -> Vec<(&'static str, JobFilter)> {
    let none = JobFilter::default;
    let text = |text: &str| Some(text.to_owned());
    let states = |statuses: &[JobStatus]| JobFilter { statuses: statuses.to_vec(), ..none() };
    let place = |place: &str| JobFilter { location: text(place), ..none() };
    let words = |words: &str| JobFilter { text: text(words), ..none() };
    let published = || states(&[JobStatus::Published]);
    vec![
        ("", none()),
        ("status=draft", states(&[JobStatus::Draft])),
        ("status=published", published()),
        ("status=paused,closed", states(&[JobStatus::Paused, JobStatus::Closed])),
        ("status=archived", states(&[JobStatus::Archived])),
        ("status=draft,published,paused,closed", states(&JobStatus::ALL[..4])),
        ("location=BERLIN", place("BERLIN")),
        ("location=K%C3%B6ln", place("Köln")),
        ("location=hesse", place("hesse")),
        ("location=de", place("de")),
        ("location=berlin&status=published", JobFilter { location: text("berlin"), ..published() }),
        ("q=nurse", words("nurse")),
        ("q=enginer", words("enginer")),
        ("q=sql&status=published", JobFilter { text: text("sql"), ..published() }),
        ("skill=sql", JobFilter { skills: vec!["sql".to_owned()], ..none() }),
        ("department=Care", JobFilter { departments: vec!["Care".to_owned()], ..none() }),
        ("workplace=remote", JobFilter { workplaces: vec![WorkplaceType::Remote], ..none() }),
        (
            "employment_type=contract",
            JobFilter { employment_types: vec![EmploymentType::Contract], ..none() },
        ),
        ("salary_min=6000000", JobFilter { salary_min: Some(6_000_000), ..none() }),
    ]
}

/// Somebody who asks, with a look behind the cache.
pub(crate) struct Reader {
    pub(crate) browser: Browser,
    pub(crate) view: JobView,
    pub(crate) db: TenantDb,
    pub(crate) scope: TenantScope,
}

impl Reader {
    /// What the portal answers, as far as it does not depend on when, and whether it had it.
    pub(crate) async fn asks(&self, question: &Question) -> (Value, bool) {
        let answer = self.browser.get(&question.path()).await;
        if answer.status == 404 {
            return (Value::Null, false);
        }
        let answer = answer.expect(200);
        let is_hit = answer.header("x-cache") == "hit";
        let mut body = answer.json();
        match question {
            Question::List { .. } => {
                body = json!([body["data"].take(), body["page"]["has_more"].take()]);
            }
            Question::Count(..) => body = body["total"].take(),
            Question::Overview => body["as_of"] = Value::Null,
            Question::Facets(..) | Question::Job(_) => {}
        }
        (body, is_hit)
    }

    /// The same from the database.
    pub(crate) async fn looks_up(&self, question: &Question) -> Value {
        let mut tx = self.db.begin_read(&self.scope).await.unwrap();
        let view = self.view;
        match question.clone() {
            Question::List { filter, sort, skip, limit, .. } => {
                let query = JobQuery { view, filter, sort, after: None, skip, limit };
                let page = jobs::list_jobs(&mut tx, &query).await.unwrap();
                json!([page.jobs, page.next.is_some()])
            }
            Question::Count(filter, _) => {
                json!(jobs::count_jobs(&mut tx, view, &filter).await.unwrap())
            }
            Question::Overview => {
                let mut figures = json!(jobs::jobs_overview(&mut tx, view).await.unwrap());
                figures["as_of"] = Value::Null;
                figures
            }
            Question::Facets(filter, _) => {
                json!(jobs::job_facets(&mut tx, view, &filter).await.unwrap())
            }
            Question::Job(id) => {
                let id = JobId::from_uuid(id.parse().unwrap());
                json!(jobs::find_job(&mut tx, view, id).await.unwrap())
            }
        }
    }
}
