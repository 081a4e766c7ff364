import { generateKeyPairSync, randomBytes } from 'node:crypto';
import Provider, { errors } from 'oidc-provider';

import { Store } from './store.js';

/** What an app can ask for, with the words that people read. */
export const scopes = {
    'todos:read': 'See your todos',
    'todos:write': 'Add, change and delete your todos'
};

const apiScopes = Object.keys(scopes).join(' ');

/** The OAuth server: oidc-provider, strict about PKCE and about refresh tokens that come twice. */
export function newOAuth({ issuer, settings, ledger }) {
    const provider = new Provider(issuer, {
        adapter: Store,
        clients: [],
        jwks: { keys: [signingKey('rsa', 'RS256', { modulusLength: 2048 }), signingKey('ec', 'ES256', { namedCurve: 'P-256' })] },
        cookies: {
            keys: [randomBytes(32).toString('hex')],
            names: { session: 'todo_session', interaction: 'todo_interaction', resume: 'todo_resume' }
        },
        responseTypes: ['code'],
        pkce: { required: () => true },
        scopes: ['openid', 'offline_access', 'profile', 'email', ...Object.keys(scopes)],
        claims: { openid: ['sub'], profile: ['name', 'preferred_username'], email: ['email', 'email_verified'] },
        findAccount: (_, id) => (settings.people.includes(id) ? { accountId: id, claims: () => claimsOf(id) } : undefined),
        clientDefaults: { grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'] },
        issueRefreshToken: (_, client) => client.grantTypeAllowed('refresh_token'),
        rotateRefreshToken: settings.rotate,
        expiresWithSession: () => false,
        ttl: {
            AccessToken: settings.accessSeconds,
            RefreshToken: settings.refreshSeconds,
            Grant: settings.refreshSeconds,
            AuthorizationCode: 60,
            IdToken: 300,
            Interaction: 600,
            Session: 3600
        },
        routes: {
            authorization: '/authorize',
            token: '/token',
            revocation: '/revoke',
            introspection: '/introspect',
            registration: '/register',
            userinfo: '/userinfo',
            jwks: '/jwks'
        },
        interactions: { url: (_, interaction) => `/interaction/${interaction.uid}` },
        features: {
            devInteractions: { enabled: false },
            userinfo: { enabled: true },
            introspection: { enabled: true, allowedPolicy: (_, client, token) => token.clientId === client.clientId },
            revocation: { enabled: true },
            rpInitiatedLogout: { enabled: false },
            registration: { enabled: settings.registration, secretFactory: () => settings.tokenPrefix + randomBytes(32).toString('base64url') },
            registrationManagement: { enabled: settings.registration, rotateRegistrationAccessToken: false },
            resourceIndicators: {
                enabled: true,
                getResourceServerInfo(_, resource) {
                    if (resource !== issuer && !resource.startsWith(`${issuer}/`)) throw new errors.InvalidTarget();
                    return { scope: apiScopes, audience: resource, accessTokenTTL: settings.accessSeconds, accessTokenFormat: 'opaque' };
                },
                useGrantedResource: () => true
            }
        }
    });

    // With a prefix, so that a token that leaked is known for what it is.
    for (const kind of [provider.AccessToken, provider.RefreshToken, provider.RegistrationAccessToken]) {
        const { generateTokenId } = kind.prototype;
        kind.prototype.generateTokenId = function prefixed() {
            return settings.tokenPrefix + generateTokenId.call(this);
        };
    }
    provider.use(async (ctx, next) => {
        await next();
        note(ctx, ledger, settings.rotate);
    });
    provider.on('grant.error', (ctx, error) => {
        ctx.refusal = error;
    });
    provider.on('server_error', (_, error) => console.error(error));
    return provider;
}

/** Enters a client, or changes it where it is known already. */
export async function enterClient(provider, metadata) {
    const client = {
        grant_types: ['authorization_code', 'refresh_token'],
        response_types: ['code'],
        token_endpoint_auth_method: metadata.client_secret ? 'client_secret_basic' : 'none',
        client_id_issued_at: Math.floor(Date.now() / 1000),
        ...metadata
    };
    await provider.Client.validate(client);
    await provider.Client.adapter.upsert(client.client_id, client);
    return client;
}

/** A person's grant: all of the scopes that the app asked for, for the API and for sign-in. */
export async function grantTo(provider, { session, params, grantId }) {
    const grant = (grantId && (await provider.Grant.find(grantId))) || new provider.Grant({ accountId: session.accountId, clientId: params.client_id });
    grant.addOIDCScope(params.scope ?? 'openid');
    for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, apiScopes);
    return grant.save();
}

function claimsOf(id) {
    const name = id[0].toUpperCase() + id.slice(1);
    return { sub: id, name, preferred_username: id, email: `${id}@example.com`, email_verified: true };
}

function note(ctx, ledger, rotates) {
    const { route, params, entities } = ctx.oidc ?? {};
    const person = entities?.Account?.accountId ?? entities?.RefreshToken?.accountId ?? entities?.AccessToken?.accountId;
    if (route === 'token') {
        const refresh = params?.grant_type === 'refresh_token' ? params.refresh_token : undefined;
        if (ctx.status !== 200) ledger.refused(refresh, /already used/.test(ctx.refusal?.error_detail), person);
        else if (refresh) ledger.refreshed(refresh, rotates, person);
        else ledger.count('codes', person);
    }
    if (route === 'revocation' && ctx.status === 200 && (entities.RefreshToken || entities.AccessToken)) ledger.count('revocations', person);
    if ((route === 'authorization' || route === 'resume') && entities?.AuthorizationCode) ledger.count('authorizations', person);
}

function signingKey(kind, alg, options) {
    const { privateKey } = generateKeyPairSync(kind, options);
    return { ...privateKey.export({ format: 'jwk' }), use: 'sig', alg, kid: alg.toLowerCase() };
}
