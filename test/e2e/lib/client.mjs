// The official MCP client, with an OAuth provider that keeps everything in
// memory and a fetch that finds test names on loopback.
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';
import { Agent, fetch as undiciFetch } from 'undici';

/**
 * A fetch that resolves every name under a suffix (".mcp.test") to 127.0.0.1,
 * checks certificates as usual, and remembers what was asked and answered.
 */
export function makeFetch(suffix) {
    const log = [];
    const lookup = (hostname, options, callback) => {
        if (!hostname.endsWith(suffix)) {
            callback(new Error(`${hostname} is not a name of this test`));
        } else if (options.all) {
            callback(null, [{ address: '127.0.0.1', family: 4 }]);
        } else {
            callback(null, '127.0.0.1', 4);
        }
    };
    const dispatcher = suffix ? new Agent({ connect: { lookup } }) : undefined;
    const sent = {};
    const doFetch = async (input, init = {}) => {
        const headers = new Headers(init.headers);
        for (const [name, value] of Object.entries(sent)) headers.set(name, value);
        const options = { ...init, headers: Object.fromEntries(headers) };
        const answer = dispatcher ? await undiciFetch(String(input), { ...options, dispatcher }) : await fetch(input, options);
        log.push({ method: (init.method ?? 'GET').toUpperCase(), url: new URL(String(input)), status: answer.status });
        return answer;
    };
    /** `sent` are headers that are added to every request from now on. */
    return { fetch: doFetch, log, sent, close: () => dispatcher?.close() };
}

/** Waits on loopback for the browser to come back from an authorization. */
export async function listenForCallback() {
    let arrived;
    const callback = new Promise((resolve) => (arrived = resolve));
    const server = createServer((req, res) => {
        const url = new URL(req.url, `http://${req.headers.host}`);
        if (url.pathname !== '/callback') {
            res.writeHead(404).end();
            return;
        }
        res.writeHead(200, { 'Content-Type': 'text/html; charset=utf-8' });
        res.end('<!doctype html><title>Back at the client</title><p>You may close this tab.</p>');
        arrived(url);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    return {
        url: `http://127.0.0.1:${server.address().port}/callback`,
        callback,
        close() {
            server.close();
            server.closeAllConnections();
        }
    };
}

export class MemoryProvider {
    constructor(redirectUrl, clientName) {
        this.redirectUrl = redirectUrl;
        this.clientName = clientName;
        this.secrets = [];
        this.saved = [];
    }

    get clientMetadata() {
        return {
            client_name: this.clientName,
            redirect_uris: [this.redirectUrl],
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            token_endpoint_auth_method: 'none'
        };
    }

    state() {
        this.expectedState = randomUUID();
        return this.expectedState;
    }

    clientInformation() {
        return this.client;
    }

    saveClientInformation(client) {
        this.client = client;
    }

    tokens() {
        return this.current;
    }

    saveTokens(tokens) {
        this.current = tokens;
        this.saved.push(tokens);
        this.secrets.push(tokens.access_token, tokens.refresh_token);
    }

    redirectToAuthorization(url) {
        this.authorizationUrl = url;
    }

    saveDiscoveryState(state) {
        this.discovered = state;
    }

    discoveryState() {
        return this.discovered;
    }

    saveCodeVerifier(verifier) {
        this.verifier = verifier;
        this.secrets.push(verifier);
    }

    codeVerifier() {
        return this.verifier;
    }
}

export function newTransport(url, provider, fetcher) {
    return new StreamableHTTPClientTransport(new URL(url), { authProvider: provider, fetch: fetcher.fetch });
}

export function newClient(options = {}) {
    return new Client({ name: 'emcy-e2e', version: '1.0.0' }, options);
}

/** The requests of a first connection must be these, in this order; others may come between. */
export function assertOrder(log, expected) {
    let at = 0;
    for (const { method, url, status } of log) {
        const want = expected[at];
        if (want && want.method === method && want.path.test(url.pathname) && want.status === status) at++;
    }
    const seen = log.map(({ method, url, status }) => `${method} ${url.pathname} ${status}`).join('\n  ');
    assert.equal(at, expected.length, `the client did not get to ${String(expected[at]?.path)}; it asked:\n  ${seen}`);
}
