// Checks one example by itself, without a gateway: that the adapter lets in
// only who knows the secret, that both protocol eras work with the official
// client, that progress streams, and that the caller is that of the request
// even when two callers share a session.
//
//   node examples.mjs config.json
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

import { headerValues, readRecord, startRuntime } from './lib/runtime.mjs';

const { example } = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const unauthorized = [401, { error: 'unauthorized' }, 'EmcyWorker error="invalid_secret"'];
const [OLD, NEW] = ['old-secret-of-the-test', 'new-secret-of-the-test'];

function identity(subject) {
    return {
        'X-Emcy-Subject': subject,
        'X-Emcy-Tenant': 'acme',
        'X-Emcy-Client': `client of ${subject}`,
        'X-Emcy-Request-Id': `req_${subject}`
    };
}

async function connect(url, headers, options = {}) {
    const sent = { ...headers };
    const fetcher = (input, init) => {
        const all = new Headers(init?.headers);
        for (const [name, value] of Object.entries(sent)) all.set(name, value);
        return fetch(input, { ...init, headers: all });
    };
    const client = new Client({ name: 'emcy-e2e', version: '1.0.0' }, options);
    const transport = new StreamableHTTPClientTransport(new URL(url), { fetch: fetcher });
    await client.connect(transport);
    return { client, transport, sent };
}

async function refused(url, headers) {
    const answer = await fetch(url, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json', Accept: 'application/json, text/event-stream', ...headers },
        body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'ping' })
    });
    return [answer.status, await answer.json(), answer.headers.get('www-authenticate')];
}

const steps = {
    async 'without a secret of its own the runtime answers 500'() {
        const runtime = await startRuntime(example, undefined);
        try {
            assert.deepEqual(await refused(runtime.url, { 'X-Emcy-Worker-Secret': OLD }), [500, { error: 'worker_secret_not_set' }, null]);
        } finally {
            await runtime.stop();
        }
    },

    async 'a wrong and a missing secret are refused on every method'(url) {
        assert.deepEqual(await refused(url, {}), unauthorized);
        assert.deepEqual(await refused(url, { 'X-Emcy-Worker-Secret': 'wrong' }), unauthorized);
        assert.deepEqual(await refused(url, { Authorization: `Bearer ${OLD}` }), unauthorized);
        for (const method of ['GET', 'DELETE', 'HEAD', 'OPTIONS']) {
            assert.equal((await fetch(url, { method })).status, 401, method);
        }
        await assert.rejects(connect(url, { 'X-Emcy-Worker-Secret': 'wrong' }));
    },

    async 'both secrets of a rotation pass'(url) {
        for (const secret of [OLD, NEW]) {
            const { client } = await connect(url, { 'X-Emcy-Worker-Secret': secret });
            assert.ok((await client.listTools()).tools.length > 0);
            await client.close();
        }
    },

    async 'the legacy era: tools, a result, the caller'(url) {
        const { client, transport } = await connect(url, { 'X-Emcy-Worker-Secret': NEW, ...identity('ada') });
        assert.equal(Boolean(transport.sessionId), example.stateful, 'session id');
        await exercise(client, 'ada');
        await client.close();
    },

    async 'the modern era: tools, a result, the caller'(url) {
        if (!example.modern) return;
        const options = { versionNegotiation: { mode: { pin: '2026-07-28' } } };
        const { client } = await connect(url, { 'X-Emcy-Worker-Secret': NEW, ...identity('ada') }, options);
        await exercise(client, 'ada');
        await client.close();
    },

    async 'progress arrives while the tool still works'(url) {
        if (example.generated) return; // none of the document's operations takes long
        const { client } = await connect(url, { 'X-Emcy-Worker-Secret': NEW });
        const seen = [];
        const result = await client.callTool(
            { name: 'slow_count', arguments: { to: 3, delay_ms: 150 } },
            { onprogress: ({ progress, total }) => seen.push({ progress, total, at: Date.now() }) }
        );
        const end = Date.now();
        assert.deepEqual(
            seen.map(({ progress, total }) => [progress, total]),
            [
                [1, 3],
                [2, 3],
                [3, 3]
            ]
        );
        assert.ok(end - seen[0].at >= 200, 'the first notice came with the result and not before it');
        assert.match(result.content[0].text, /counted to 3/);
        await client.close();
    },

    async 'two callers in one session are told apart'(url) {
        const { client, sent } = await connect(url, { 'X-Emcy-Worker-Secret': NEW, ...identity('ada') });
        assert.equal((await whoami(client)).subject, 'ada');
        Object.assign(sent, identity('bob'));
        assert.equal((await whoami(client)).subject, 'bob');
        await client.close();
    },

    async 'an unknown session is refused where the runtime keeps sessions'(url) {
        if (!example.stateful) return;
        const { client, transport, sent } = await connect(url, { 'X-Emcy-Worker-Secret': NEW });
        const id = transport.sessionId;
        await transport.terminateSession();
        sent['Mcp-Session-Id'] = id;
        await assert.rejects(client.listTools());
        await client.close();
    },

    async 'the record holds the headers of every request'() {
        const record = readRecord(example.record);
        assert.ok(record.some((request) => headerValues(request, 'X-Emcy-Worker-Secret').includes('wrong')));
        assert.ok(record.some((request) => headerValues(request, 'authorization').length === 1));
        assert.ok(record.some((request) => headerValues(request, 'x-emcy-subject').includes('bob')));
        assert.ok(record.every((request) => request.path === '/mcp'));
    }
};

async function whoami(client) {
    return JSON.parse((await client.callTool({ name: 'whoami', arguments: {} })).content[0].text);
}

async function exercise(client, subject) {
    const { tools } = await client.listTools();
    const wanted = example.generated
        ? ['add_todo', 'delete_todo', 'get_todo', 'list_todos', 'update_todo', 'whoami']
        : ['add', 'now', 'slow_count', 'whoami'];
    assert.deepEqual(tools.map((tool) => tool.name).sort(), wanted);
    if (!example.generated) {
        const sum = await client.callTool({ name: 'add', arguments: { a: 40, b: 2 } });
        assert.equal(Number(sum.content[0].text), 42);
    }
    assert.deepEqual(await whoami(client), {
        subject,
        tenant: 'acme',
        client: `client of ${subject}`,
        request_id: `req_${subject}`
    });
}

const [first, ...rest] = Object.entries(steps);
let runtime;
let failed = '';
try {
    failed = first[0];
    await first[1]();
    console.log(`ok   ${first[0]}`);
    runtime = await startRuntime(example, `${NEW}, ${OLD}`);
    for (const [name, step] of rest) {
        failed = name;
        await step(runtime.url);
        console.log(`ok   ${name}`);
    }
    failed = '';
} catch (error) {
    console.log(`FAIL ${failed}\n${error.stack}`);
    process.exitCode = 1;
} finally {
    await runtime?.stop();
}
