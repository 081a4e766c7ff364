// Runs the shared vectors against both adapters, over real HTTP.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, request } from 'node:http';
import { inspect } from 'node:util';
import { test } from 'node:test';

import { getCaller, workerContract, workerContractFetch } from '../index.js';

const shared = JSON.parse(readFileSync(new URL('../../vectors.json', import.meta.url), 'utf8'));

const adapters = {
    'node:http': (options) => {
        const guard = workerContract(options);
        return (req, res) =>
            guard(req, res, async () => {
                await Promise.resolve();
                res.end(JSON.stringify(seen(Object.keys(req.headers), req.rawHeaders)));
            });
    },
    fetch: (options) => {
        const handler = workerContractFetch(
            async (req) => {
                await Promise.resolve();
                return Response.json(seen([...req.headers.keys()], []));
            },
            options
        );
        return async (req, res) => {
            const headers = new Headers();
            for (let i = 0; i < req.rawHeaders.length; i += 2) {
                headers.append(req.rawHeaders[i], req.rawHeaders[i + 1]);
            }
            const answer = await handler(new Request('http://127.0.0.1/mcp', { headers }));
            res.writeHead(answer.status, Object.fromEntries(answer.headers));
            res.end(await answer.text());
        };
    }
};

function seen(names, raw) {
    const { subject, tenant, client, requestId, scopes, issuer, assertion, upstreamAccessToken } = getCaller();
    return {
        caller: { subject, tenant, client, request_id: requestId, scopes, issuer, assertion, upstream_access_token: upstreamAccessToken },
        headers: [...names, ...raw.filter((_, i) => i % 2 === 0)].map((name) => name.toLowerCase())
    };
}

async function ask(port, headers) {
    const req = request({ host: '127.0.0.1', port, path: '/mcp', agent: false });
    const grouped = new Map();
    for (const [name, value] of headers) {
        const bytes = Buffer.from(value, 'utf8').toString('latin1');
        grouped.set(name, [...(grouped.get(name) ?? []), bytes]);
    }
    for (const [name, values] of grouped) {
        req.setHeader(name, values);
    }
    req.end();
    const [res] = await once(req, 'response');
    let text = '';
    for await (const chunk of res) text += chunk;
    return { status: res.statusCode, body: JSON.parse(text), challenge: res.headers['www-authenticate'] };
}

const valueOf = (text) => Object.entries(shared.assertions).reduce((done, [name, token]) => done.replace(`{${name}}`, token), text);

for (const [adapter, listener] of Object.entries(adapters)) {
    for (const vector of shared.vectors) {
        test(`${adapter}: ${vector.name}`, async (t) => {
            const keys = async () => {
                if (vector.unreachable) throw new Error('there is no key set');
                return shared.keys;
            };
            const server = createServer(listener({ env: vector.env, keys, now: () => shared.now * 1000 })).listen(0, '127.0.0.1');
            t.after(() => server.close());
            await once(server, 'listening');

            const { status, body, challenge } = await ask(
                server.address().port,
                vector.headers.map(([name, value]) => [name, valueOf(value)])
            );

            assert.equal(status, vector.status);
            assert.equal(challenge, vector.challenge);
            if (vector.body) {
                assert.deepEqual(body, vector.body);
                return;
            }
            assert.deepEqual(body.headers.filter((name) => name.startsWith('x-emcy-')), [], 'the handler sees the contract');
            for (const name of vector.gone ?? []) assert.ok(!body.headers.includes(name.toLowerCase()), name);
            for (const name of vector.kept ?? []) assert.ok(body.headers.includes(name.toLowerCase()), name);
            for (const [member, wanted] of Object.entries(vector.caller ?? {})) {
                assert.deepEqual(body.caller[member], typeof wanted === 'string' ? valueOf(wanted) : wanted, member);
            }
        });
    }
}

test('two requests at once keep their callers apart', async (t) => {
    const guard = workerContract({ env: { EMCY_WORKER_SHARED_SECRET: 'a' } });
    const waiting = [];
    let release;
    const both = new Promise((resolve) => (release = resolve));
    const server = createServer((req, res) =>
        guard(req, res, async () => {
            if (waiting.push(req) === 2) release();
            await both;
            res.end(JSON.stringify(getCaller().subject));
        })
    ).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');

    const answers = await Promise.all(
        ['ada', 'bob'].map((subject) =>
            ask(server.address().port, [
                ['X-Emcy-Worker-Secret', 'a'],
                ['X-Emcy-Subject', subject]
            ])
        )
    );
    assert.deepEqual(answers.map((answer) => answer.body), ['ada', 'bob']);
});

test('outside a request there is no caller', () => {
    assert.throws(() => getCaller(), /workerContract/);
});

test('a caller that is logged shows no token', async () => {
    let text = '';
    const handler = workerContractFetch(
        async () => {
            text = inspect(getCaller()) + JSON.stringify(getCaller());
            return new Response();
        },
        { env: { EMCY_WORKER_SHARED_SECRET: 'a' } }
    );
    await handler(
        new Request('http://127.0.0.1/mcp', {
            headers: {
                'X-Emcy-Worker-Secret': 'a',
                'X-Emcy-Subject': 'acc_01',
                'X-Emcy-Upstream-Access-Token': 'downstream-1',
                'X-Emcy-Assertion': 'aaa.bbb.ccc'
            }
        })
    );
    assert.match(text, /acc_01/);
    assert.doesNotMatch(text, /downstream-1|aaa\.bbb\.ccc/);
});
