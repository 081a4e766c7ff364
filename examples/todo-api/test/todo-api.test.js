import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';

import { api, authorize, Browser, callback, connect, introspect, ledger, post, refresh, start } from './lib/support.js';

test('everybody has todos of their own', async (t) => {
    const issuer = await start(t);
    const alice = await connect(issuer, 'alice');
    const bob = await connect(issuer, 'bob');

    assert.deepEqual((await api(issuer, alice.access_token, 'GET', '/todos')).body.map((todo) => todo.title), ['Water the plants']);
    const added = await api(issuer, alice.access_token, 'POST', '/todos', { title: ' Call Bob ' });
    assert.equal(added.status, 201);
    assert.equal(added.body.title, 'Call Bob');
    const done = await api(issuer, alice.access_token, 'PATCH', `/todos/${added.body.id}`, { done: true });
    assert.equal(done.body.done, true);
    assert.deepEqual((await api(issuer, bob.access_token, 'GET', '/todos')).body.map((todo) => todo.title), ['Return the library books']);
    assert.equal((await api(issuer, bob.access_token, 'DELETE', `/todos/${added.body.id}`)).status, 404);
    assert.equal((await api(issuer, alice.access_token, 'DELETE', `/todos/${added.body.id}`)).status, 204);
});

test('the API refuses what is malformed, unknown or without the scope', async (t) => {
    const issuer = await start(t);
    const { access_token: token } = await connect(issuer, 'alice', { scope: 'todos:read' });

    const unknown = await api(issuer, 'nothing', 'GET', '/todos');
    assert.equal(unknown.status, 401);
    assert.match(unknown.challenge, /^Bearer error="invalid_token", resource_metadata="http/);
    const scope = await api(issuer, token, 'POST', '/todos', { title: 'x' });
    assert.equal(scope.status, 403);
    assert.match(scope.challenge, /error="insufficient_scope", scope="todos:write"/);

    const { access_token: writer } = await connect(issuer, 'alice');
    for (const body of [{ title: '' }, { title: 1 }, {}, [], { title: 'x'.repeat(201) }]) {
        assert.equal((await api(issuer, writer, 'POST', '/todos', body)).status, 400);
    }
    assert.equal((await api(issuer, writer, 'POST', '/todos', { title: 'x'.repeat(70_000) })).status, 413);
    assert.equal((await api(issuer, writer, 'PUT', '/todos', {})).status, 405);
});

test('a refresh token is good for one refresh, and its second use ends all', async (t) => {
    const issuer = await start(t);
    const first = await connect(issuer, 'alice');
    const second = await refresh(issuer, first.refresh_token);
    assert.equal(second.status, 200);
    assert.notEqual(second.body.refresh_token, first.refresh_token);
    assert.equal((await api(issuer, second.body.access_token, 'GET', '/todos')).status, 200);
    let counts = await ledger(issuer);
    assert.deepEqual([counts.authorizations, counts.codes, counts.refreshes, counts.reuses], [1, 1, 1, 0]);

    const again = await refresh(issuer, first.refresh_token);
    assert.equal(again.body.error, 'invalid_grant');
    assert.equal((await refresh(issuer, second.body.refresh_token)).body.error, 'invalid_grant');
    assert.equal((await api(issuer, second.body.access_token, 'GET', '/todos')).status, 401);
    counts = await ledger(issuer);
    assert.deepEqual([counts.refreshes, counts.reuses, counts.refused, counts.callsRefused], [1, 1, 2, 1]);
});

test('of two refreshes at once one is a reuse', async (t) => {
    const issuer = await start(t);
    const { refresh_token: token } = await connect(issuer, 'alice');
    const answers = await Promise.all([refresh(issuer, token), refresh(issuer, token)]);
    assert.deepEqual(answers.map(({ status }) => status).sort(), [200, 400]);
    const counts = await ledger(issuer);
    assert.deepEqual([counts.refreshes, counts.reuses], [1, 1]);
});

test('without rotation a refresh token goes on', async (t) => {
    const issuer = await start(t, { TODO_ROTATE: 'off' });
    const { refresh_token: token } = await connect(issuer, 'alice');
    for (let n = 1; n <= 2; n++) {
        const { status, body } = await refresh(issuer, token);
        assert.deepEqual([status, body.refresh_token], [200, token]);
    }
    const counts = await ledger(issuer);
    assert.deepEqual([counts.refreshes, counts.reuses], [2, 0]);
});

test('lives are as long as the settings say', async (t) => {
    const issuer = await start(t, { TODO_ACCESS_SECONDS: '1', TODO_REFRESH_SECONDS: '2' });
    const tokens = await connect(issuer, 'alice');
    assert.equal(tokens.expires_in, 1);
    const until = async (check) => {
        while (!(await check())) await sleep(50);
    };
    await until(async () => (await api(issuer, tokens.access_token, 'GET', '/todos')).status === 401);
    await until(async () => (await introspect(issuer, tokens.refresh_token)).active === false);
    assert.equal((await refresh(issuer, tokens.refresh_token)).body.error, 'invalid_grant');
    assert.equal((await ledger(issuer)).reuses, 0);
});

test('a revoked refresh token takes its access tokens along', async (t) => {
    const issuer = await start(t);
    const tokens = await connect(issuer, 'alice');
    assert.equal((await post(issuer, '/revoke', { token: tokens.refresh_token })).status, 200);
    assert.equal((await api(issuer, tokens.access_token, 'GET', '/todos')).status, 401);
    assert.equal((await refresh(issuer, tokens.refresh_token)).status, 400);
    assert.equal((await ledger(issuer)).people.alice.revocations, 1);
});

test('the API as the resource that a token is for', async (t) => {
    const issuer = await start(t);
    const tokens = await connect(issuer, 'alice', { resource: issuer, scope: 'todos:read' });
    assert.equal((await api(issuer, tokens.access_token, 'GET', '/todos')).status, 200);
    const next = await refresh(issuer, tokens.refresh_token);
    assert.equal((await api(issuer, next.body.access_token, 'GET', '/todos')).status, 200);

    const other = await new Browser(issuer).open(authorize(issuer, { resource: 'https://elsewhere.example/' }).url);
    assert.equal(other.url.searchParams.get('error'), 'invalid_target');
});

test('signing in says who somebody is', async (t) => {
    const issuer = await start(t);
    const tokens = await connect(issuer, 'bob', { scope: 'openid profile email' });
    const claims = JSON.parse(Buffer.from(tokens.id_token.split('.')[1], 'base64url'));
    assert.deepEqual([claims.iss, claims.sub, claims.aud], [issuer, 'bob', 'app']);
    const { body } = await api(issuer, tokens.access_token, 'GET', '/userinfo');
    assert.deepEqual(body, { sub: 'bob', name: 'Bob', preferred_username: 'bob', email: 'bob@example.com', email_verified: true });
});

test('a wrong password, a no, and a page that is over', async (t) => {
    const issuer = await start(t);
    const browser = new Browser(issuer);
    const page = await browser.open(authorize(issuer).url);
    assert.match(page.text, /Emcy Gateway wants/);
    const wrong = await browser.submit(page, { login: 'alice', password: 'wrong' });
    assert.equal(wrong.status, 403);
    assert.match(wrong.text, /wrong/);
    const consent = await browser.submit(wrong, { login: 'Alice', password: 'todo' });
    assert.match(consent.text, /See your todos/);
    const denied = await browser.submit(consent, { decision: 'deny' });
    assert.equal(denied.url.searchParams.get('error'), 'access_denied');
    assert.equal((await browser.open('/interaction/nothing')).status, 400);
    assert.match((await browser.open('/sign-out')).text, /Signed out/);
});

test('an app registers itself, or the ledger enters it', async (t) => {
    const issuer = await start(t, { TODO_TOKEN_PREFIX: 'mark_' });
    const answer = await fetch(new URL('/register', issuer), {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ client_name: 'New app', redirect_uris: [callback] })
    });
    assert.equal(answer.status, 201);
    const registered = await answer.json();
    const tokens = await connect(issuer, 'carol', { client_id: registered.client_id }, `${registered.client_id}:${registered.client_secret}`);
    assert.deepEqual((await api(issuer, tokens.access_token, 'GET', '/todos')).body, []);
    for (const secret of [registered.client_secret, registered.registration_access_token, tokens.access_token, tokens.refresh_token]) {
        assert.match(secret, /^mark_[A-Za-z0-9_-]{43}$/);
    }

    const put = (id, body) => fetch(new URL(`/ledger/clients/${id}`, issuer), { method: 'PUT', body: JSON.stringify(body) });
    assert.equal((await put('late', { client_secret: 'late-secret', redirect_uris: [callback] })).status, 200);
    assert.ok((await connect(issuer, 'carol', { client_id: 'late' }, 'late:late-secret')).refresh_token);
    assert.equal((await put('bad', { redirect_uris: ['not a url'] })).status, 400);
});

test('tests can end access tokens and grants', async (t) => {
    const issuer = await start(t);
    const [alice, bob] = [await connect(issuer, 'alice'), await connect(issuer, 'bob')];
    const end = async (what) => (await fetch(new URL(`/ledger/${what}`, issuer), { method: 'DELETE' })).json();

    assert.deepEqual(await end('access-tokens?person=alice'), { ended: 1 });
    assert.equal((await api(issuer, alice.access_token, 'GET', '/todos')).status, 401);
    assert.equal((await api(issuer, bob.access_token, 'GET', '/todos')).status, 200);
    assert.equal((await refresh(issuer, alice.refresh_token)).status, 200);
    assert.deepEqual(await end('grants'), { ended: 2 });
    assert.equal((await refresh(issuer, bob.refresh_token)).status, 400);
    assert.equal((await fetch(new URL('/ledger', issuer), { method: 'DELETE' })).status, 204);
    assert.equal((await ledger(issuer)).refreshes, 0);
});

test('what is off is not there', async (t) => {
    const issuer = await start(t, { TODO_LEDGER: 'off', TODO_REGISTRATION: 'off' });
    assert.equal((await fetch(new URL('/ledger', issuer))).status, 404);
    assert.equal((await fetch(new URL('/register', issuer), { method: 'POST' })).status, 404);
    const metadata = await (await fetch(new URL('/.well-known/oauth-authorization-server', issuer))).json();
    assert.equal(metadata.issuer, issuer);
    assert.equal(metadata.registration_endpoint, undefined);
    assert.ok(metadata.revocation_endpoint);
    const resource = await (await fetch(new URL('/.well-known/oauth-protected-resource', issuer))).json();
    assert.deepEqual(resource.authorization_servers, [issuer]);
});
