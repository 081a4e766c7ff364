import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';

export const callback = 'http://127.0.0.1:1/callback';

/** Starts the server on a port of the system's choice, until the test ends. */
export async function start(t, env = {}) {
    const child = spawn(process.execPath, [new URL('../../server.js', import.meta.url).pathname], {
        env: { PATH: process.env.PATH, PORT: '0', TODO_LEDGER: 'on', TODO_CLIENT_ID: 'app', TODO_CLIENT_SECRET: 'secret-of-the-app', TODO_REDIRECT_URIS: callback, ...env },
        stdio: ['ignore', 'pipe', 'inherit']
    });
    const gone = new Promise((resolve) => child.once('exit', resolve));
    t.after(async () => {
        child.kill('SIGTERM');
        await gone;
    });
    for await (const line of createInterface({ input: child.stdout })) {
        const match = /^Todo API: (\S+)/.exec(line);
        if (match) return match[1];
    }
    throw new Error('the server did not start');
}

/** A browser: cookies, forms, redirects within the server. */
export class Browser {
    #cookies = new Map();

    constructor(issuer) {
        this.issuer = issuer;
    }

    async open(address, init = {}) {
        for (let url = new URL(address, this.issuer), left = 10; left > 0; left--) {
            const cookie = [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ');
            const answer = await fetch(url, { ...init, redirect: 'manual', headers: { ...init.headers, cookie } });
            for (const line of answer.headers.getSetCookie()) {
                const [, name, value] = /^([^=]+)=([^;]*)/.exec(line);
                if (/max-age=0|expires=Thu, 01 Jan 1970/i.test(line)) this.#cookies.delete(name);
                else this.#cookies.set(name, value);
            }
            const location = answer.headers.get('location');
            if (!location) return { status: answer.status, url, text: await answer.text(), headers: answer.headers };
            url = new URL(location, url);
            init = {};
            if (url.origin !== this.issuer) return { url };
        }
        throw new Error('too many redirects');
    }

    submit(page, values) {
        const action = /<form method="post" action="([^"]+)"/.exec(page.text)?.[1];
        assert.ok(action, `no form on ${page.url}: ${page.text}`);
        return this.open(action, { method: 'POST', body: new URLSearchParams(values) });
    }
}

/** An authorize URL with its verifier. */
export function authorize(issuer, more = {}) {
    const verifier = randomBytes(32).toString('base64url');
    const url = new URL('/authorize', issuer);
    url.search = new URLSearchParams({
        client_id: 'app',
        redirect_uri: callback,
        response_type: 'code',
        scope: 'openid profile todos:read todos:write',
        state: 'st',
        code_challenge: createHash('sha256').update(verifier).digest('base64url'),
        code_challenge_method: 'S256',
        ...more
    });
    return { url, verifier };
}

export async function post(issuer, path, values, credentials = 'app:secret-of-the-app') {
    const answer = await fetch(new URL(path, issuer), {
        method: 'POST',
        headers: { Authorization: `Basic ${Buffer.from(credentials).toString('base64')}` },
        body: new URLSearchParams(values)
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? undefined : JSON.parse(text) };
}

/** Takes a person through both pages and gives the tokens. */
export async function connect(issuer, person, more = {}, credentials) {
    const { url, verifier } = authorize(issuer, more);
    const browser = new Browser(issuer);
    let page = await browser.open(url);
    page = await browser.submit(page, { login: person, password: 'todo' });
    page = await browser.submit(page, { decision: 'allow' });
    assert.equal(page.url.searchParams.get('iss'), issuer);
    const { status, body } = await post(
        issuer,
        '/token',
        { grant_type: 'authorization_code', code: page.url.searchParams.get('code'), redirect_uri: callback, code_verifier: verifier, ...(more.resource ? { resource: more.resource } : {}) },
        credentials
    );
    assert.equal(status, 200, JSON.stringify(body));
    return body;
}

export const refresh = (issuer, token) => post(issuer, '/token', { grant_type: 'refresh_token', refresh_token: token });

export const introspect = async (issuer, token) => (await post(issuer, '/introspect', { token })).body;

export async function api(issuer, token, method, path, body) {
    const answer = await fetch(new URL(path, issuer), {
        method,
        headers: { Authorization: `Bearer ${token}`, 'Content-Type': 'application/json' },
        body: body && JSON.stringify(body)
    });
    const text = await answer.text();
    return { status: answer.status, body: text === '' ? undefined : JSON.parse(text), challenge: answer.headers.get('www-authenticate') };
}

export const ledger = async (issuer) => (await fetch(new URL('/ledger', issuer))).json();
