// Checks that a refused token of the user's becomes a 401 where that is still possible.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { test } from 'node:test';

import { refuseUpstreamToken, UpstreamTokenRefused, workerContract, workerContractFetch } from '../index.js';

const env = { EMCY_WORKER_SHARED_SECRET: 'a' };

/**
 * Answers as a script says, through one of the adapters: "head" sends the status, "byte"
 * a part of the body, "refuse" refuses the token, and a promise is waited for.
 */
const adapters = {
    'node:http': (script, options) => {
        const guard = workerContract({ env, ...options });
        return (req, res) =>
            guard(req, res, async () => {
                for (const step of script) {
                    if (step === 'head') res.writeHead(200, { 'Content-Type': 'text/event-stream' }).flushHeaders();
                    else if (step === 'byte') res.write('data: x\n\n');
                    else if (step === 'refuse') assert.throws(refuseUpstreamToken, UpstreamTokenRefused);
                    else await step();
                }
                await new Promise((resolve) => res.write('data: end\n\n', resolve));
                res.end();
            });
    },
    fetch: (script, options) => {
        const handler = workerContractFetch(
            async () => {
                const encoder = new TextEncoder();
                const { readable, writable } = new TransformStream();
                const writer = writable.getWriter();
                const write = (text) => writer.write(encoder.encode(text)).catch(() => {});
                (async () => {
                    for (const step of script) {
                        if (step === 'head') continue;
                        else if (step === 'byte') await write('data: x\n\n');
                        else if (step === 'refuse') assert.throws(refuseUpstreamToken, UpstreamTokenRefused);
                        else await step();
                    }
                    await write('data: end\n\n');
                    await writer.close().catch(() => {});
                })();
                return new Response(readable, { headers: { 'Content-Type': 'text/event-stream' } });
            },
            { env, ...options }
        );
        return async (req, res) => {
            const answer = await handler(new Request('http://127.0.0.1/mcp', { method: req.method, headers: req.headers }));
            res.writeHead(answer.status, Object.fromEntries(answer.headers)).flushHeaders();
            for await (const chunk of answer.body) res.write(chunk);
            res.end();
        };
    }
};

async function ask(t, listener, { method = 'POST', token = 'downstream-1' } = {}) {
    const server = createServer(listener).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    return fetch(`http://127.0.0.1:${server.address().port}`, {
        method,
        headers: { 'X-Emcy-Worker-Secret': 'a', ...(token ? { 'X-Emcy-Upstream-Access-Token': token } : {}) }
    });
}

for (const [name, adapter] of Object.entries(adapters)) {
    test(`${name}: before the first byte it is a 401`, async (t) => {
        const answer = await ask(t, adapter(['head', 'refuse']));
        assert.equal(answer.status, 401);
        assert.equal(answer.headers.get('www-authenticate'), 'Bearer error="invalid_token"');
        assert.equal(answer.headers.get('content-type'), 'application/json');
        assert.deepEqual(await answer.json(), { error: 'upstream_token_refused' });
    });

    test(`${name}: after the first byte the answer goes on`, async (t) => {
        let seen;
        const first = new Promise((resolve) => (seen = resolve));
        const answer = await ask(t, adapter(['head', 'byte', () => first, 'refuse']));
        assert.equal(answer.status, 200);
        seen();
        assert.equal(await answer.text(), 'data: x\n\ndata: end\n\n');
    });

    test(`${name}: the start waits no longer than it may`, async (t) => {
        let began;
        const start = new Promise((resolve) => (began = resolve));
        const answer = await ask(t, adapter(['head', () => start], { holdStartMs: 20 }));
        began();
        assert.equal(answer.status, 200);
        assert.equal(await answer.text(), 'data: end\n\n');
    });

    for (const [why, asked, options] of [
        ['without a token', { token: '' }, { holdStartMs: 3_600_000 }],
        ['on a GET', { method: 'GET' }, { holdStartMs: 3_600_000 }],
        ['where it is off', {}, { holdStartMs: 0 }]
    ]) {
        test(`${name}: nothing waits ${why}`, { timeout: 10_000 }, async (t) => {
            let began;
            const start = new Promise((resolve) => (began = resolve));
            const answer = await ask(t, adapter(['head', () => start], options), asked);
            began();
            assert.equal(await answer.text(), 'data: end\n\n');
        });
    }
}

test('node:http: where it is off a refusal changes no answer', async (t) => {
    const guard = workerContract({ env, holdStartMs: 0 });
    const answer = await ask(t, (req, res) =>
        guard(req, res, () => {
            assert.throws(refuseUpstreamToken);
            res.end('done');
        })
    );
    assert.deepEqual([answer.status, await answer.text()], [200, 'done']);
});

test('node:http: an answer that sets its headers first keeps them', async (t) => {
    const guard = workerContract({ env });
    const answer = await ask(t, (req, res) =>
        guard(req, res, () => {
            res.setHeader('X-Mine', 'yes');
            res.statusCode = 201;
            res.end('done');
        })
    );
    assert.deepEqual([answer.status, answer.headers.get('x-mine'), await answer.text()], [201, 'yes', 'done']);
});

test('node:http: headers of an answer that is replaced are gone', async (t) => {
    const guard = workerContract({ env });
    const answer = await ask(t, (req, res) =>
        guard(req, res, () => {
            res.setHeader('X-Mine', 'yes');
            assert.throws(refuseUpstreamToken);
            res.end('done');
        })
    );
    assert.deepEqual([answer.status, answer.headers.get('x-mine')], [401, null]);
});
