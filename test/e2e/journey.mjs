// The product's main job in a real browser, with a real runtime and the
// official client: from signing up to the row in the log.
//
//   node journey.mjs config.json
//
// The Go tests write the configuration and start the gateway:
//   console, gatewayLog, artifacts, chromium, chromiumArgs
//   javaScript    whether the browser runs scripts; without, pages are reloaded where they would have updated
//   hostSuffix    names under it are on loopback; "" where tenants are ports of localhost
//   tenantOrigin  what a tenant's origin has to be, with {tenant} for the slug; "" where it is a port
//   person        {name, email, password}
//   workspaces    [{name, slug, runtime: {name, slug}, example}], one journey each, by the same person
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { UnauthorizedError } from '@modelcontextprotocol/client';
import { createLocalJWKSet, decodeJwt, decodeProtectedHeader, jwtVerify } from 'jose';

import { openBrowser } from './lib/browser.mjs';
import { assertOrder, listenForCallback, makeFetch, MemoryProvider, newClient, newTransport } from './lib/client.mjs';
import * as pages from './lib/pages.mjs';
import { headerValues, readRecord, startRuntime, tail } from './lib/runtime.mjs';

const config = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const PATIENCE = 20_000;

let browser;
let shown; // the tab that a failing step is about
const cleanups = [];

async function step(name, run) {
    const start = Date.now();
    try {
        const result = await run();
        console.log(`ok   ${name} (${Date.now() - start} ms)`);
        return result;
    } catch (error) {
        console.log(`FAIL ${name}\n${error.stack}`);
        await explain(name);
        throw new Error(`step failed: ${name}`, { cause: error });
    }
}

async function explain(name) {
    if (shown && !shown.isClosed()) {
        const file = join(config.artifacts, `${name.replace(/[^a-z0-9]+/gi, '-').slice(0, 80)}.png`);
        console.log(`--- the page: ${shown.url()}`);
        try {
            console.log(await pages.text(shown));
            await shown.screenshot({ path: file, fullPage: true });
            console.log(`--- screenshot: ${file}`);
        } catch (error) {
            console.log(`(no screenshot: ${error.message})`);
        }
    }
    console.log(`--- the gateway's log, its end:\n${tail(config.gatewayLog, 60)}`);
}

async function go(page, path) {
    shown = page;
    const answer = await page.goto(config.console + path);
    assert.equal(answer.status(), 200, `${path} answers ${answer.status()}`);
}

/** Waits until the page's text fits; a page without scripts is loaded again. */
async function untilText(page, pattern, { reload = !config.javaScript, patience = PATIENCE } = {}) {
    shown = page;
    const deadline = Date.now() + patience;
    for (;;) {
        const text = await pages.text(page);
        if (pattern.test(text)) return text;
        if (Date.now() > deadline) throw new Error(`the page does not come to say ${pattern}`);
        await sleep(250);
        if (reload) await page.reload();
    }
}

/** Remembers this document, to tell later that it was never replaced. */
async function pin(page) {
    await page.evaluate(() => {
        window.__emcyPinned = true;
    });
}

async function assertPinned(page) {
    if (config.javaScript) {
        assert.ok(await page.evaluate(() => window.__emcyPinned === true), 'the page was loaded again');
    }
}

async function journey(page, workspace) {
    const { slug } = workspace;
    const { name: runtimeName, slug: runtimeSlug } = workspace.runtime;
    const example = workspace.example;
    const runtimeURL = `http://127.0.0.1:${example.port}/mcp`;
    const named = (name) => `${slug}: ${name}`;

    await step(named('create a workspace'), async () => {
        if (new URL(page.url()).pathname !== pages.newWorkspace.path) await go(page, pages.newWorkspace.path);
        await pages.newWorkspace.send(page, workspace);
        await page.waitForURL((url) => url.pathname.startsWith(`/${slug}/`));
    });

    const secret = await step(named('add a runtime where nothing listens, and read its secret'), async () => {
        await go(page, pages.newRuntime.path(slug));
        await pages.newRuntime.send(page, { name: runtimeName, slug: runtimeSlug, url: runtimeURL });
        await page.waitForURL((url) => url.pathname === pages.setup.path(slug, runtimeSlug));
        return pages.setup.secret(page);
    });

    await step(named('the probe says that nothing listens and what to do'), async () => {
        await pages.setup.done(page);
        await page.waitForURL((url) => url.pathname === pages.probe.path(slug, runtimeSlug));
        const text = await untilText(page, pages.runtime.nothingListens);
        assert.match(text, pages.runtime.nextStep);
        assert.doesNotMatch(text, pages.runtime.ready);
    });

    await step(named('the secret is not shown again'), async () => {
        await go(page, pages.setup.path(slug, runtimeSlug));
        assert.ok(!(await page.content()).includes(secret));
    });

    const runtime = await step(named('start the runtime with the secret'), async () => {
        const started = await startRuntime(example, secret);
        cleanups.push(() => started.stop());
        return started;
    });

    await step(named('probe again: ready, with its tools'), async () => {
        await go(page, pages.runtime.path(slug, runtimeSlug));
        await pages.runtime.probeAgain(page);
        await page.waitForURL((url) => url.pathname === pages.probe.path(slug, runtimeSlug));
        await untilText(page, pages.probe.works);
        await go(page, pages.runtime.path(slug, runtimeSlug));
        const text = await untilText(page, pages.runtime.ready, { reload: true });
        for (const tool of ['add', 'now', 'whoami', 'slow_count']) {
            assert.match(text, new RegExp(`\\b${tool}\\b`));
        }
    });

    const mcpURL = await step(named('open the connect page and leave it open'), async () => {
        await go(page, pages.connect.path(slug, runtimeSlug));
        const text = await pages.text(page);
        assert.match(text, pages.connect.waiting);
        assert.doesNotMatch(text, pages.connect.connected);
        const match = new RegExp(`https?://[A-Za-z0-9.:-]+/${runtimeSlug}/mcp\\b`).exec(text);
        assert.ok(match, 'the page shows no MCP URL');
        if (config.tenantOrigin) {
            assert.equal(new URL(match[0]).origin, config.tenantOrigin.replace('{tenant}', slug));
        }
        await pin(page);
        return match[0];
    });
    const origin = new URL(mcpURL).origin;

    const fetcher = makeFetch(config.hostSuffix);
    cleanups.push(() => fetcher.close());
    const loopback = await listenForCallback();
    cleanups.push(() => loopback.close());
    const provider = new MemoryProvider(loopback.url, `E2E client of ${slug}`);

    const first = newTransport(mcpURL, provider, fetcher);
    await step(named('the client is refused, finds the server and registers'), async () => {
        await assert.rejects(newClient().connect(first), UnauthorizedError);
        assertOrder(fetcher.log, [
            { method: 'POST', path: new RegExp(`^/${runtimeSlug}/mcp$`), status: 401 },
            { method: 'GET', path: new RegExp(`^/\\.well-known/oauth-protected-resource/${runtimeSlug}/mcp$`), status: 200 },
            { method: 'GET', path: /^\/\.well-known\/(oauth-authorization-server|openid-configuration)$/, status: 200 },
            { method: 'POST', path: /^\/register$/, status: 201 }
        ]);
        assert.equal(provider.authorizationUrl.origin, origin);
        assert.equal(provider.authorizationUrl.searchParams.get('resource'), mcpURL);
        assert.ok(provider.client.client_id);
        assert.equal(provider.client.client_secret, undefined);
    });

    const tab = await browser.context.newPage();
    await step(named('sign in on the workspace\'s own origin'), async () => {
        shown = tab;
        await tab.goto(provider.authorizationUrl.href);
        const at = new URL(tab.url());
        assert.equal(at.origin, origin, 'the console\'s session does not count here');
        assert.equal(at.pathname, pages.signIn.path);
        await pages.signIn.send(tab, config.person);
        await tab.waitForURL((url) => url.origin === origin && url.pathname === pages.consent.path);
    });

    await step(named('consent: who asks, where it goes, and allow'), async () => {
        const text = await pages.text(tab);
        assert.ok(text.includes(provider.clientName), 'the client\'s name');
        assert.ok(text.includes('127.0.0.1'), 'the host that it goes to');
        assert.match(text, pages.consent.unverified);
        await pages.consent.allow(tab);
        await tab.waitForURL((url) => url.href.startsWith(loopback.url));
    });

    const client = await step(named('the code becomes tokens and the client connects'), async () => {
        const callback = await loopback.callback;
        assert.equal(callback.searchParams.get('state'), provider.expectedState);
        assert.equal(callback.searchParams.get('iss'), origin);
        provider.secrets.push(callback.searchParams.get('code'));
        await first.finishAuth(callback.searchParams);
        assert.ok(provider.current.access_token && provider.current.refresh_token);
        assert.equal(decodeProtectedHeader(provider.current.access_token).typ, 'at+jwt');
        assert.equal(decodeJwt(provider.current.access_token).aud, mcpURL);

        const connected = newClient();
        await connected.connect(newTransport(mcpURL, provider, fetcher));
        cleanups.push(() => connected.close());
        return connected;
    });
    await tab.close();

    await step(named('list the tools and call one'), async () => {
        const { tools } = await client.listTools();
        assert.deepEqual(tools.map((tool) => tool.name).sort(), ['add', 'now', 'slow_count', 'whoami']);
        assert.equal(Number(await call(client, 'add', { a: 40, b: 2 })), 42);
    });

    await step(named('the connect page says connected by itself'), async () => {
        await untilText(page, pages.connect.connected);
        assert.doesNotMatch(await pages.text(page), pages.connect.waiting);
        await assertPinned(page);
    });

    const identity = await step(named('the runtime knows who calls'), async () => {
        const who = JSON.parse(await call(client, 'whoami', {}));
        for (const field of ['subject', 'tenant', 'client', 'request_id']) assert.ok(who[field], field);
        assert.equal(who.client, provider.client.client_id);
        assert.equal(who.subject, decodeJwt(provider.current.access_token).sub);
        return who;
    });

    await step(named('progress streams through the gateway'), async () => {
        await assertProgress(client);
    });

    await step(named('the access token is replaced, and the refresh token with it'), async () => {
        const old = { ...provider.current };
        provider.current = { ...old, access_token: 'expired.edge.token' };
        assert.equal(Number(await call(client, 'add', { a: 1, b: 2 })), 3);
        assert.notEqual(provider.current.access_token, old.access_token);
        assert.notEqual(provider.current.refresh_token, old.refresh_token);
        assert.ok(provider.current.refresh_token);
        assert.equal(Number(await call(client, 'add', { a: 2, b: 3 })), 5);
    });

    await step(named('the current protocol revision works as well'), async () => {
        const modern = newClient({ versionNegotiation: { mode: { pin: '2026-07-28' } } });
        await modern.connect(newTransport(mcpURL, provider, fetcher));
        assert.equal(Number(await call(modern, 'add', { a: 20, b: 3 })), 23);
        assert.equal(JSON.parse(await call(modern, 'whoami', {})).subject, identity.subject);
        await assertProgress(modern);
        await modern.close();
    });

    await step(named('what a client forges does not reach the runtime'), async () => {
        Object.assign(fetcher.sent, {
            'X-Emcy-Worker-Secret': 'forged-secret',
            'X-Emcy-Subject': 'forged-subject',
            'X-Emcy-Tenant': 'forged-tenant',
            'X-Emcy-Client': 'forged-client',
            'X-Emcy-Request-Id': 'forged-request',
            'X-Emcy-Assertion': 'forged-assertion',
            'X-Emcy-Upstream-Access-Token': 'forged-token',
            'X-Forwarded-For': '203.0.113.7',
            Forwarded: 'for=203.0.113.7;host=forged.example',
            'X-Forwarded-Host': 'forged.example',
            Cookie: 'forged=cookie'
        });
        const who = JSON.parse(await call(client, 'whoami', {}));
        for (const name of Object.keys(fetcher.sent)) delete fetcher.sent[name];
        assert.equal(who.subject, identity.subject);
        assert.equal(who.client, identity.client);
        assert.equal(who.tenant, identity.tenant);
        const record = readFileSync(example.record, 'utf8');
        assert.doesNotMatch(record, /forged|203\.0\.113\.7/);
    });

    await step(named('the call appears in the log by itself, and has a page'), async () => {
        await go(page, config.javaScript ? pages.logs.live(slug) : pages.logs.path(slug));
        await pin(page);
        const rows = pages.logs.calls(page, slug, 'now');
        assert.equal(await rows.count(), 0, 'the tool has not been called yet');
        await call(client, 'now', {});
        const deadline = Date.now() + PATIENCE;
        while ((await rows.count()) === 0) {
            assert.ok(Date.now() < deadline, 'the call does not appear in the log');
            await sleep(250);
            if (!config.javaScript) await page.reload();
        }
        await assertPinned(page);
        assert.ok((await pages.logs.calls(page, slug, 'add').count()) >= 4, 'the earlier calls');
        await rows.first().click();
        await page.waitForURL((url) => url.pathname.startsWith(`${pages.logs.path(slug)}/`));
        const text = await pages.text(page);
        for (const want of ['tools/call', 'now', runtimeName, provider.clientName]) {
            assert.ok(text.includes(want), `the event's page says nothing of ${want}`);
        }
    });

    await step(named('the runtime saw the worker contract and no token of the client'), async () => {
        await assertRecord({ example, secret, provider, runtimeURL, origin, fetcher, identity });
    });

    return { mcpURL, origin, provider, fetcher, client, runtime, example };
}

async function call(client, name, args) {
    const result = await client.callTool({ name, arguments: args });
    assert.ok(!result.isError, `${name}: ${result.content?.[0]?.text}`);
    return result.content[0].text;
}

async function assertProgress(client) {
    const seen = [];
    await client.callTool(
        { name: 'slow_count', arguments: { to: 3, delay_ms: 400 } },
        { onprogress: ({ progress }) => seen.push({ progress, at: Date.now() }) }
    );
    const end = Date.now();
    assert.deepEqual(seen.map(({ progress }) => progress), [1, 2, 3]);
    assert.ok(end - seen[0].at >= 250, 'the first notice came with the result and not before it');
}

async function assertRecord({ example, secret, provider, runtimeURL, origin, fetcher, identity }) {
    const requests = readRecord(example.record);
    const text = readFileSync(example.record, 'utf8');

    for (const token of provider.secrets) {
        assert.ok(token && !text.includes(token), 'a token, code or verifier of the client is in the record');
    }
    for (const request of requests) {
        assert.deepEqual(headerValues(request, 'authorization'), []);
        assert.deepEqual(headerValues(request, 'cookie'), []);
    }

    const calls = requests.filter((request) => headerValues(request, 'x-emcy-subject').length > 0);
    assert.ok(calls.length >= 8, `only ${calls.length} requests of a user`);
    const ids = new Set();
    for (const request of calls) {
        const one = (name) => {
            const values = headerValues(request, name);
            assert.equal(values.length, 1, `${name} is sent ${values.length} times`);
            assert.ok(values[0], `${name} is empty`);
            return values[0];
        };
        assert.ok(one('x-emcy-worker-secret') === secret, 'the worker secret is not the one that was shown');
        assert.equal(one('x-emcy-subject'), identity.subject);
        assert.equal(one('x-emcy-tenant'), identity.tenant);
        assert.equal(one('x-emcy-client'), provider.client.client_id);
        ids.add(one('x-emcy-request-id'));
        one('x-emcy-assertion');
        assert.deepEqual(headerValues(request, 'x-emcy-upstream-access-token'), [], 'there is no profile');
    }
    assert.equal(ids.size, calls.length, 'every request has an id of its own');

    const metadata = await (await fetcher.fetch(`${origin}/.well-known/oauth-authorization-server`)).json();
    const keys = createLocalJWKSet(await (await fetcher.fetch(metadata.jwks_uri)).json());
    for (const request of [calls[0], calls.at(-1)]) {
        const assertion = headerValues(request, 'x-emcy-assertion')[0];
        const { iat, exp } = decodeJwt(assertion);
        assert.ok(exp - iat <= 60, `an assertion lives ${exp - iat} s`);
        const { payload } = await jwtVerify(assertion, keys, {
            audience: runtimeURL,
            issuer: origin,
            currentDate: new Date(iat * 1000)
        });
        assert.equal(payload.sub, identity.subject);
        assert.equal(payload.client_id, provider.client.client_id);
    }
}

/** What is A's is worth nothing at B, and works at A all the while. */
async function assertApart(a, b) {
    const ask = (to, token) =>
        to.fetcher.fetch(to.mcpURL, {
            method: 'POST',
            headers: {
                'Content-Type': 'application/json',
                Accept: 'application/json, text/event-stream',
                Authorization: `Bearer ${token}`
            },
            body: JSON.stringify({
                jsonrpc: '2.0',
                id: 1,
                method: 'initialize',
                params: { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: { name: 'emcy-e2e', version: '1.0.0' } }
            })
        });
    const token = a.provider.current.access_token;
    const own = await ask(a, token);
    assert.equal(own.status, 200);
    await own.text();

    const before = readRecord(b.example.record).length;
    const foreign = await ask(b, token);
    assert.equal(foreign.status, 401);
    assert.match(foreign.headers.get('www-authenticate'), /^Bearer .*resource_metadata="/);
    assert.ok(!(await foreign.text()).includes(a.provider.client.client_id));
    assert.equal(readRecord(b.example.record).length, before, 'a request with a foreign token reached the runtime');

    const refresh = (issuer) =>
        a.fetcher.fetch(`${issuer.origin}/token`, {
            method: 'POST',
            headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
            body: new URLSearchParams({
                grant_type: 'refresh_token',
                refresh_token: a.provider.current.refresh_token,
                client_id: a.provider.client.client_id
            }).toString()
        });
    const refused = await refresh(b);
    assert.ok([400, 401].includes(refused.status), `a foreign refresh token is answered ${refused.status}`);
    assert.ok(!('access_token' in (await refused.json())));
    const granted = await refresh(a);
    assert.equal(granted.status, 200, 'the same refresh token works where it belongs');
    a.provider.saveTokens(await granted.json());
}

try {
    browser = await openBrowser(config);
    const page = browser.context.pages()[0] ?? (await browser.context.newPage());

    await step('sign up', async () => {
        await go(page, pages.signUp.path);
        await pages.signUp.send(page, config.person);
        await page.waitForURL((url) => url.pathname === pages.newWorkspace.path);
    });

    const done = [];
    for (const workspace of config.workspaces) {
        done.push(await journey(page, workspace));
    }
    for (const a of done) {
        for (const b of done) {
            if (a !== b) await step(`a token of ${new URL(a.mcpURL).host} is refused at ${new URL(b.mcpURL).host}`, () => assertApart(a, b));
        }
    }
    console.log('the journey is done');
} catch (error) {
    if (!String(error.message).startsWith('step failed')) console.log(error.stack);
    process.exitCode = 1;
} finally {
    for (const cleanup of cleanups.reverse()) {
        try {
            await cleanup();
        } catch (error) {
            console.log(`(cleaning up: ${error.message})`);
        }
    }
    await browser?.close();
}
