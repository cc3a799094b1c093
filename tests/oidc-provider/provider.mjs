// A certified OpenID provider (npm oidc-provider) as the tests need it: people sign in by name, tokens
// name their organization as Auth0's do, and a portal says where it is once it runs.
//
//   node provider.mjs PORT ACCESS_TOKEN_SECONDS
//
// POST /dev/portal       {base_url}: registers the portal's addresses
// POST /dev/people       {subject, name, email}: adds a person
// GET  /dev/interaction/UID?subject=…: signs that person in; without it, says what is asked for
// GET  /dev/counts       how often tokens were granted, by grant
// Prints one line on stdout when it listens.
import { createServer } from 'node:http';
import { generateKeyPairSync, randomBytes } from 'node:crypto';

import { Provider } from 'oidc-provider';

const [port, accessTokenSeconds] = process.argv.slice(2).map(Number);
// As Auth0's, the issuer ends with a slash.
const issuer = `http://localhost:${port}/`;
const client = { id: 'portal-dev', secret: 'portal-dev-secret' };

const people = new Map();
const organizations = new Map();
const counts = {};

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const key = { ...privateKey.export({ format: 'jwk' }), kid: 'k1', use: 'sig', alg: 'RS256' };

const provider = new Provider(issuer, {
  jwks: { keys: [key] },
  cookies: { keys: [randomBytes(32).toString('hex')] },
  scopes: ['openid', 'profile', 'email', 'offline_access'],
  claims: { openid: ['sub', 'org_id'], profile: ['name'], email: ['email', 'email_verified'] },
  // Claims of the scopes stand in the ID token itself, as at Auth0.
  conformIdTokenClaims: false,
  extraParams: ['organization', 'invitation', 'connection', 'screen_hint', 'audience'],
  clientDefaults: { id_token_signed_response_alg: 'RS256' },
  features: {
    devInteractions: { enabled: false },
    backchannelLogout: { enabled: true },
    rpInitiatedLogout: { enabled: true },
    revocation: { enabled: true },
  },
  // Its own would not send a notice of logout to this machine.
  fetch: (address, { dispatcher: _, ...options }) => globalThis.fetch(address, options),
  rotateRefreshToken: true,
  issueRefreshToken: async (_ctx, client) => client.grantTypeAllowed('refresh_token'),
  ttl: {
    AccessToken: accessTokenSeconds, AuthorizationCode: 60, IdToken: 3600, RefreshToken: 86400,
    Interaction: 600, Session: 86400, Grant: 86400,
  },
  interactions: { url: (_ctx, interaction) => `/dev/interaction/${interaction.uid}` },
  async findAccount(_ctx, subject, token) {
    const person = people.get(subject);
    if (!person) return undefined;
    return {
      accountId: subject,
      async claims() {
        const { name, email } = person;
        const organization = organizations.get(token?.grantId);
        return {
          sub: subject, name, email, email_verified: true,
          ...(organization ? { org_id: organization } : {}),
        };
      },
    };
  },
});

for (const event of ['grant.success', 'grant.error']) {
  provider.on(event, (ctx) => {
    const name = `${ctx.oidc?.params?.grant_type} ${event.slice('grant.'.length)}`;
    counts[name] = (counts[name] ?? 0) + 1;
  });
}
provider.on('server_error', (_ctx, error) => console.error(error));
provider.on('backchannel.error', (_ctx, error) => console.error(error));

async function body(request) {
  let text = '';
  for await (const chunk of request) text += chunk;
  return JSON.parse(text);
}

async function registerPortal({ base_url: base }) {
  await provider.Client.adapter.upsert(client.id, {
    client_id: client.id,
    client_secret: client.secret,
    token_endpoint_auth_method: 'client_secret_post',
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    redirect_uris: [`${base}/auth/callback`],
    post_logout_redirect_uris: [base],
    backchannel_logout_uri: `${base}/auth/backchannel-logout`,
    backchannel_logout_session_required: true,
  });
}

async function interact(request, response, url) {
  const details = await provider.interactionDetails(request, response);
  const subject = url.searchParams.get('subject');
  if (!subject) return answer(response, 200, { asks: details.prompt.name, ...details.params });
  const grant = new provider.Grant({ accountId: subject, clientId: details.params.client_id });
  grant.addOIDCScope('openid profile email offline_access');
  const grantId = await grant.save();
  organizations.set(grantId, details.params.organization);
  await provider.interactionFinished(
    request, response, { login: { accountId: subject }, consent: { grantId } },
    { mergeWithLastSubmission: false },
  );
}

function answer(response, status, value) {
  response.writeHead(status, { 'content-type': 'application/json' });
  response.end(JSON.stringify(value));
}

const callback = provider.callback();

createServer((request, response) => {
  const url = new URL(request.url, issuer);
  const route = `${request.method} ${url.pathname.split('/').slice(0, 3).join('/')}`;
  const serve = async () => {
    switch (route) {
      case 'POST /dev/portal':
        await registerPortal(await body(request));
        return answer(response, 201, {});
      case 'POST /dev/people': {
        const person = await body(request);
        people.set(person.subject, person);
        return answer(response, 201, {});
      }
      case 'GET /dev/interaction': return interact(request, response, url);
      case 'GET /dev/counts': return answer(response, 200, counts);
      default: return callback(request, response);
    }
  };
  serve().catch((error) => {
    console.error(error);
    answer(response, 500, { error: String(error) });
  });
}).listen(port, '127.0.0.1', () => console.log(`oidc-provider listening on ${issuer}`));
