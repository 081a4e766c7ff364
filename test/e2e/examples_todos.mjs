// Checks what one example does with the user's own token, without a gateway: it acts as
// that user, answers 401 when the API refuses the token, and believes an assertion in
// place of a secret.
//
//   node examples_todos.mjs config.json
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { exportJWK, generateKeyPair, SignJWT } from 'jose';

import * as todo from '../../examples/todo-api/test/lib/support.js';
import { headerValues, readRecord, startRuntime } from './lib/runtime.mjs';

const { example, todo: api } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const SECRET = 'secret-of-the-test';
const eras = { legacy: {}, ...(example.modern ? { modern: { versionNegotiation: { mode: { pin: '2026-07-28' } } } } : {}) };

async function connect(url, headers, options = {}) {
    const sent = { ...headers };
    const answers = [];
    const fetcher = async (input, init) => {
        const all = new Headers(init?.headers);
        for (const [name, value] of Object.entries(sent)) all.set(name, value);
        const answer = await fetch(input, { ...init, headers: all });
        answers.push({ status: answer.status, challenge: answer.headers.get('www-authenticate') });
        return answer;
    };
    const client = new Client({ name: 'emcy-e2e', version: '1.0.0' }, options);
    await client.connect(new StreamableHTTPClientTransport(new URL(url), { fetch: fetcher }));
    return { client, sent, answers };
}

function as(person, token) {
    return {
        'X-Emcy-Worker-Secret': SECRET,
        'X-Emcy-Subject': person,
        ...(token ? { 'X-Emcy-Upstream-Access-Token': token } : {})
    };
}

/** What a tool gave: structured where it is, else its text. A list may be wrapped. */
async function call(client, name, args = {}) {
    const result = await client.callTool({ name, arguments: args });
    assert.ok(!result.isError, JSON.stringify(result));
    const value = result.structuredContent ?? JSON.parse(result.content[0].text);
    return value.result ?? value.todos ?? value;
}

const titles = async (client) => (await call(client, 'list_todos')).map(({ title }) => title);

const steps = {};
for (const [era, options] of Object.entries(eras)) {
    Object.assign(steps, {
        async [`${era}: everybody's own todos, also in one session`](url, people) {
            const { client, sent } = await connect(url, as('alice', people.alice.access_token), options);
            const before = await titles(client);
            const added = await call(client, 'add_todo', { title: `By Alice, ${era}` });
            assert.equal(added.title, `By Alice, ${era}`);
            assert.deepEqual(await titles(client), [...before, `By Alice, ${era}`]);
            Object.assign(sent, as('bob', people.bob.access_token));
            assert.deepEqual(await titles(client), ['Return the library books']);
            await client.close();
        },

        async [`${era}: two people at once`](url, people) {
            const clients = await Promise.all(['alice', 'bob'].map((name) => connect(url, as(name, people[name].access_token), options)));
            const all = await Promise.all(Array.from({ length: 20 }, (_, n) => titles(clients[n % 2].client)));
            for (const [n, list] of all.entries()) {
                assert.equal(list.includes('Water the plants'), n % 2 === 0);
                assert.equal(list.includes('Return the library books'), n % 2 === 1);
            }
            await Promise.all(clients.map(({ client }) => client.close()));
        },

        async [`${era}: without a token the tool says what is missing`](url) {
            const { client } = await connect(url, as('alice'), options);
            const result = await client.callTool({ name: 'list_todos', arguments: {} });
            assert.ok(result.isError);
            assert.match(result.content[0].text, /not connected your/);
            await client.close();
        },

        async [`${era}: a token that the API refuses is a 401, and the next one works`](url, people) {
            const { client, sent, answers } = await connect(url, as('alice', 'of-no-use'), options);
            for (const [name, args] of [['list_todos', {}], ['add_todo', { title: 'never' }]]) {
                await assert.rejects(client.callTool({ name, arguments: args }));
                assert.deepEqual(answers.at(-1), { status: 401, challenge: 'Bearer error="invalid_token"' });
            }
            Object.assign(sent, as('alice', people.alice.access_token));
            assert.ok(!(await titles(client)).includes('never'));
            await client.close();
        }
    });
}

Object.assign(steps, {
    async 'the API has seen those people and nobody else'() {
        const { people } = await todo.ledger(api);
        assert.deepEqual(Object.keys(people).sort(), ['alice', 'bob']);
    },

    async 'Bearer mode and renamed headers'(_, people) {
        const runtime = await start(SECRET, { EMCY_UPSTREAM_ACCESS_TOKEN_HEADER: 'Authorization', EMCY_WORKER_SUBJECT_HEADER: 'X-Acme-User' });
        try {
            const headers = { 'X-Emcy-Worker-Secret': SECRET, 'X-Acme-User': 'bob', Authorization: `Bearer ${people.bob.access_token}` };
            const { client, sent, answers } = await connect(runtime.url, headers);
            assert.deepEqual(await titles(client), ['Return the library books']);
            assert.equal((await call(client, 'whoami')).subject, 'bob');
            sent.Authorization = 'Bearer of-no-use';
            await assert.rejects(client.callTool({ name: 'list_todos', arguments: {} }));
            assert.equal(answers.at(-1).challenge, 'Bearer error="invalid_token"');
            await client.close();
        } finally {
            await runtime.stop();
        }
    },

    async 'assertion only: who is asking is what is signed'(_, people) {
        const keys = await Promise.all(['ES256', 'RS256'].map(async (alg) => ({ alg, ...(await generateKeyPair(alg)) })));
        const jwks = await Promise.all(keys.map(async ({ alg, publicKey }) => ({ ...(await exportJWK(publicKey)), kid: alg, alg, use: 'sig' })));
        const asked = [];
        const origin = createServer((req, res) => {
            asked.push(req.url);
            res.end(JSON.stringify({ keys: jwks }));
        }).listen(0, '127.0.0.1');
        await once(origin, 'listening');
        const issuer = `http://127.0.0.1:${origin.address().port}`;
        const audience = `http://127.0.0.1:${example.port}/mcp`;
        const sign = ({ alg, privateKey }, claims = {}) =>
            new SignJWT({ client_id: 'cli_01', scope: 'mcp', ...claims })
                .setProtectedHeader({ alg, kid: alg, typ: 'JWT' })
                .setIssuer(claims.iss ?? issuer)
                .setAudience(claims.aud ?? audience)
                .setSubject('alice')
                .setIssuedAt()
                .setExpirationTime('60s')
                .sign(privateKey);
        const runtime = await start(undefined, { EMCY_WORKER_ISSUER: issuer, EMCY_WORKER_AUDIENCE: audience });
        try {
            for (const key of keys) {
                const headers = { 'X-Emcy-Assertion': await sign(key), 'X-Emcy-Subject': 'bob', 'X-Emcy-Upstream-Access-Token': people.alice.access_token };
                const { client } = await connect(runtime.url, headers);
                assert.equal((await call(client, 'whoami')).subject, 'alice');
                assert.ok((await titles(client)).includes('Water the plants'));
                await client.close();
            }
            assert.deepEqual(asked, ['/jwks'], 'the keys are fetched once');
            for (const headers of [{}, { 'X-Emcy-Worker-Secret': SECRET }, { 'X-Emcy-Assertion': await sign(keys[0], { aud: `${audience}/other` }) }]) {
                const answer = await fetch(runtime.url, { method: 'POST', headers });
                assert.deepEqual([answer.status, answer.headers.get('www-authenticate')], [401, 'EmcyWorker error="invalid_assertion"']);
            }
        } finally {
            await runtime.stop();
            origin.close();
            origin.closeAllConnections();
        }
    },

    async 'the record holds what came, the log no token'(_, people) {
        const record = readRecord(example.record);
        assert.ok(record.some((request) => headerValues(request, 'X-Emcy-Upstream-Access-Token').includes(people.alice.access_token)));
        const log = readFileSync(example.log, 'utf8');
        for (const secret of [SECRET, people.alice.access_token, people.bob.access_token]) assert.ok(!log.includes(secret), 'the log holds a secret');
    }
});

const start = (secret, env) => startRuntime({ ...example, env: { ...example.env, TODO_API_URL: api, ...env } }, secret);

let failed = 'connect the people';
let runtime;
try {
    await fetch(new URL('/ledger/clients/app', api), {
        method: 'PUT',
        body: JSON.stringify({ client_secret: 'secret-of-the-app', redirect_uris: [todo.callback] })
    });
    const people = { alice: await todo.connect(api, 'alice'), bob: await todo.connect(api, 'bob') };
    runtime = await start(SECRET, {});
    for (const [name, step] of Object.entries(steps)) {
        failed = name;
        if (/^(Bearer|assertion)/.test(name)) {
            await runtime?.stop(); // one port, one runtime
            runtime = undefined;
        }
        await step(runtime?.url, people);
        console.log(`ok   ${name}`);
    }
    failed = '';
} catch (error) {
    console.log(`FAIL ${failed}\n${error.stack}`);
    process.exitCode = 1;
} finally {
    await runtime?.stop();
}
