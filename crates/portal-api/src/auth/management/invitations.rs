//! Invitations to an organization.

use reqwest::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use tenancy::{OrgId, Role};
use time::OffsetDateTime;
use url::Url;

use super::calls::Call;
use super::{ManagementClient, ManagementError};

/// Longest ticket and id that are taken; sign-ins take no longer ones.
const MAX_NAME_BYTES: usize = 128;

/// An invitation that is to be made.
#[derive(Clone, Copy)]
pub(crate) struct Invite<'a> {
    pub(crate) org: &'a OrgId,
    pub(crate) email: &'a str,
    /// Who invites, as the mail names them.
    pub(crate) inviter: &'a str,
    /// The role that the identity provider is to give; none where roles are ours alone.
    pub(crate) role: Option<Role>,
    pub(crate) lifetime_seconds: u64,
    /// Whether the identity provider mails the link.
    pub(crate) sends_mail: bool,
}

/// An invitation that the identity provider has made.
#[derive(Debug)]
pub(crate) struct Invited {
    pub(crate) id: String,
    pub(crate) ticket: SecretString,
    pub(crate) expires_at: OffsetDateTime,
}

#[derive(Deserialize)]
struct Answer {
    id: String,
    #[serde(default)]
    invitation_url: Option<Url>,
    #[serde(default)]
    ticket_id: Option<String>,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

impl ManagementClient {
    /// Makes an invitation; `None` where the organization does not exist there.
    pub(crate) async fn invite(
        &self,
        invite: &Invite<'_>,
    ) -> Result<Option<Invited>, ManagementError> {
        let mut body = json!({
            "inviter": { "name": invite.inviter },
            "invitee": { "email": invite.email },
            "client_id": self.settings.application,
            "ttl_sec": invite.lifetime_seconds,
            "send_invitation_email": invite.sends_mail,
        });
        if let (Some(role), Some(body)) = (invite.role, body.as_object_mut()) {
            body.insert("roles".to_owned(), json!([self.role_id(role).await?]));
        }
        let path = ["organizations", invite.org.as_str(), "invitations"];
        let call = Call::change(Method::POST, &path, Some(body));
        let Some(answer) = self.find::<Answer>(&call).await? else { return Ok(None) };
        answer.into_invited().map(Some)
    }

    /// Withdraws an invitation; one that is gone already stays so.
    pub(crate) async fn withdraw_invitation(
        &self,
        org: &OrgId,
        id: &str,
    ) -> Result<(), ManagementError> {
        let path = ["organizations", org.as_str(), "invitations", id];
        self.send(&Call::change(Method::DELETE, &path, None)).await.map(drop)
    }
}

impl Answer {
    /// The ticket is what the link carries: a sign-in comes with nothing else.
    fn into_invited(self) -> Result<Invited, ManagementError> {
        let of_link = self.invitation_url.as_ref().and_then(|url| {
            url.query_pairs().find(|(name, _)| name == "invitation").map(|(_, value)| value)
        });
        let ticket = of_link.map(std::borrow::Cow::into_owned).or(self.ticket_id);
        let is_usable = |text: &String| (1..=MAX_NAME_BYTES).contains(&text.len());
        match ticket.filter(is_usable) {
            Some(ticket) if is_usable(&self.id) => {
                Ok(Invited { id: self.id, ticket: ticket.into(), expires_at: self.expires_at })
            }
            _ => Err(ManagementError::Unusable("the invitation has no usable ticket or id")),
        }
    }
}
