// oauth4webapi as the strictest client there is: it refuses what RFC 6749, 7591, 7636,
// 8414, 8628, 9126, 9207, 9449, 9728 and 7662 do not allow. One run goes through one flow.
//
//   node client.mjs FLOW URL [CREDENTIALS.json]
//
// It prints a line of JSON for each stage that is done. {"open": URL} asks for a person:
// the address that the browser was sent back to comes as one line on standard input, an
// empty line where it was sent nowhere.
import { createInterface } from 'node:readline';
import { readFileSync } from 'node:fs';
import * as oauth from 'oauth4webapi';

const [flow, address, file] = process.argv.slice(2);
const given = file ? JSON.parse(readFileSync(file, 'utf8')) : {};
const url = new URL(address);
const loopback = { [oauth.allowInsecureRequests]: url.protocol === 'http:' };
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function done(stage, more = {}) {
    console.log(JSON.stringify({ stage, ...more }));
}

async function person(open) {
    console.log(JSON.stringify({ open: open.href ?? open }));
    return (await lines.next()).value;
}

const resource = await oauth.processResourceDiscoveryResponse(url, await oauth.resourceDiscoveryRequest(url, loopback));
const issuer = new URL(resource.authorization_servers[0]);
const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, { algorithm: 'oauth2', ...loopback }));
done('discovered');

const redirect = 'http://127.0.0.1:4711/callback';

async function register(more = {}) {
    const client = await oauth.processDynamicClientRegistrationResponse(
        await oauth.dynamicClientRegistrationRequest(
            as,
            { client_name: 'Strict client', redirect_uris: [redirect], grant_types: ['authorization_code', 'refresh_token'], response_types: ['code'], token_endpoint_auth_method: 'none', ...more },
            loopback,
        ),
    );
    done('registered', { client_id: client.client_id });
    return client;
}

/** Sends one MCP message with a token, as one that only its holder may use where there is a key. */
async function send(token, DPoP, message, session) {
    const headers = new Headers({ 'content-type': 'application/json', accept: 'application/json, text/event-stream' });
    if (message.method !== 'initialize') headers.set('mcp-protocol-version', '2025-11-25');
    if (session) headers.set('mcp-session-id', session);
    const once = () => oauth.protectedResourceRequest(token, 'POST', url, headers, JSON.stringify({ jsonrpc: '2.0', id: 1, ...message }), { DPoP, ...loopback });
    try {
        return await once();
    } catch (err) {
        if (!oauth.isDPoPNonceError(err)) throw err;
        return await once();
    }
}

/** Initializes, and has 40 and 2 added. */
async function call(token, DPoP) {
    const params = { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'strict', version: '1' } };
    const begun = await send(token, DPoP, { method: 'initialize', params });
    await begun.text();
    const response = await send(token, DPoP, { method: 'tools/call', params: { name: 'add', arguments: { a: 40, b: 2 } } }, begun.headers.get('mcp-session-id'));
    const text = await response.text();
    if (response.status !== 200 || !/"text":\s*"42(\.0)?"/.test(text)) throw new Error(`the call answers ${response.status}: ${text}`);
    done('called');
}

/** Sends a request again where the server wants its nonce in the proof. */
async function withNonce(send, process) {
    try {
        return await process(await send());
    } catch (err) {
        if (!oauth.isDPoPNonceError(err)) throw err;
        return await process(await send());
    }
}

/** From the authorization request to a refreshed token. */
async function code(client, auth, { DPoP, pushed } = {}) {
    const verifier = oauth.generateRandomCodeVerifier();
    const state = oauth.generateRandomState();
    const asked = new URLSearchParams({
        client_id: client.client_id,
        response_type: 'code',
        redirect_uri: redirect,
        scope: 'mcp offline_access',
        resource: url.href,
        state,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
    });
    if (DPoP) asked.set('dpop_jkt', await DPoP.calculateThumbprint());
    const open = new URL(as.authorization_endpoint);
    open.search = asked.toString();
    if (pushed) {
        const { request_uri } = await withNonce(
            () => oauth.pushedAuthorizationRequest(as, client, auth, asked, { DPoP, ...loopback }),
            (response) => oauth.processPushedAuthorizationResponse(as, client, response),
        );
        done('pushed');
        open.search = new URLSearchParams({ client_id: client.client_id, request_uri }).toString();
    }
    const back = oauth.validateAuthResponse(as, client, new URL(await person(open)), state);
    done('returned');
    let tokens = await withNonce(
        () => oauth.authorizationCodeGrantRequest(as, client, auth, back, redirect, verifier, { DPoP, additionalParameters: { resource: url.href }, ...loopback }),
        (response) => oauth.processAuthorizationCodeResponse(as, client, response),
    );
    done('redeemed', { token_type: tokens.token_type });
    await call(tokens.access_token, DPoP);
    const before = tokens.access_token;
    tokens = await withNonce(
        () => oauth.refreshTokenGrantRequest(as, client, auth, tokens.refresh_token, { DPoP, ...loopback }),
        (response) => oauth.processRefreshTokenResponse(as, client, response),
    );
    if (tokens.access_token === before) throw new Error('the access token is still the old one');
    done('refreshed');
    await call(tokens.access_token, DPoP);
    return tokens;
}

async function introspect(client, auth, token, active) {
    const answer = await oauth.processIntrospectionResponse(as, client, await oauth.introspectionRequest(as, client, auth, token, loopback));
    if (answer.active !== active) throw new Error(`introspection says active: ${answer.active}`);
    done('introspected', { active });
}

async function revoke(client, auth, token) {
    await oauth.processRevocationResponse(await oauth.revocationRequest(as, client, auth, token, loopback));
    done('revoked');
}

const flows = {
    async code() {
        const client = await register();
        const tokens = await code(client, oauth.None());
        await revoke(client, oauth.None(), tokens.refresh_token);
    },
    async basic() {
        const client = await register({ token_endpoint_auth_method: 'client_secret_basic' });
        const auth = oauth.ClientSecretBasic(client.client_secret);
        const tokens = await code(client, auth);
        await introspect(client, auth, tokens.access_token, true);
        await revoke(client, auth, tokens.refresh_token);
        await introspect(client, auth, tokens.access_token, false);
    },
    async post() {
        const client = await register({ token_endpoint_auth_method: 'client_secret_post' });
        await code(client, oauth.ClientSecretPost(client.client_secret));
    },
    async key() {
        const { privateKey, publicKey } = await oauth.generateKeyPair('ES256', { extractable: true });
        const jwk = { ...(await crypto.subtle.exportKey('jwk', publicKey)), kid: 'strict-1', alg: 'ES256', use: 'sig' };
        const client = await register({ token_endpoint_auth_method: 'private_key_jwt', jwks: { keys: [jwk] } });
        await code(client, oauth.PrivateKeyJwt({ key: privateKey, kid: 'strict-1' }));
    },
    async pushed() {
        await code(await register(), oauth.None(), { pushed: true });
    },
    async dpop() {
        const client = await register();
        const DPoP = oauth.DPoP(client, await oauth.generateKeyPair('ES256'));
        const tokens = await code(client, oauth.None(), { DPoP, pushed: true });
        if (tokens.token_type !== 'dpop') throw new Error(`the token is of type ${tokens.token_type}`);
        await call(tokens.access_token).then(
            () => Promise.reject(new Error('a bound token passes without its key')),
            (err) => done('refused', { why: err.constructor.name }),
        );
    },
    async service() {
        const client = { client_id: given.client_id };
        const auth = oauth.ClientSecretBasic(given.client_secret);
        const tokens = await oauth.processClientCredentialsResponse(
            as,
            client,
            await oauth.clientCredentialsGrantRequest(as, client, auth, { resource: url.href, scope: 'mcp' }, loopback),
        );
        if (tokens.refresh_token) throw new Error('a service was given a refresh token');
        done('redeemed', { token_type: tokens.token_type });
        await call(tokens.access_token);
        await introspect(client, auth, tokens.access_token, true);
    },
    async device() {
        const client = await register({ grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'], response_types: [], redirect_uris: [redirect] });
        const begun = await oauth.processDeviceAuthorizationResponse(
            as,
            client,
            await oauth.deviceAuthorizationRequest(as, client, oauth.None(), { resource: url.href, scope: 'mcp' }, loopback),
        );
        const poll = async () =>
            oauth.processDeviceCodeResponse(as, client, await oauth.deviceCodeGrantRequest(as, client, oauth.None(), begun.device_code, loopback));
        await poll().then(
            () => Promise.reject(new Error('a code that nobody approved was redeemed')),
            (err) => {
                if (err.error !== 'authorization_pending') throw err;
                done('pending');
            },
        );
        await person(begun.verification_uri_complete);
        // No condition to wait for: the server says how long a device has to keep still (RFC 8628, section 3.2).
        await new Promise((resolve) => setTimeout(resolve, (begun.interval ?? 5) * 1000));
        const tokens = await poll();
        done('redeemed', { token_type: tokens.token_type });
        await call(tokens.access_token);
    },
};

try {
    await flows[flow]();
    done('finished');
    process.exit(0);
} catch (err) {
    console.log(JSON.stringify({ failed: err.code ?? err.constructor.name, said: `${err.message} ${err.error ?? ''} ${err.error_description ?? ''} ${err.cause?.message ?? JSON.stringify(err.cause) ?? ''}`.trim() }));
    process.exit(1);
}
