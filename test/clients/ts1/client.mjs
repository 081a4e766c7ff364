// The official TypeScript SDK 1.x as an MCP client with a memory: a first run
// signs in, a later one goes on with what the first one stored.
//
//   node client.mjs URL STATE.json
//
// It registers dynamically, unless EMCY_TEST_CLIENT_METADATA_URL is where its metadata
// document is, or EMCY_TEST_CLIENT_INFORMATION is what it was given elsewhere.
//
// It prints a line of JSON for each stage that is done, and for the one that fails.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';

import { UnauthorizedError } from '@modelcontextprotocol/sdk/client/auth.js';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

const [url, stateFile] = process.argv.slice(2);
const stored = existsSync(stateFile) ? JSON.parse(readFileSync(stateFile, 'utf8')) : {};

function store(change) {
    Object.assign(stored, change);
    writeFileSync(stateFile, JSON.stringify(stored), { mode: 0o600 });
}

const given = process.env.EMCY_TEST_CLIENT_INFORMATION;
if (given && !stored.client) store({ client: JSON.parse(given) });

const state = randomUUID();
let arrived;
const callback = new Promise((resolve) => (arrived = resolve));
const listener = createServer((req, res) => {
    res.end('You may close this tab.');
    arrived(new URL(req.url, 'http://127.0.0.1').searchParams);
}).listen(0, '127.0.0.1');
await once(listener, 'listening');

const provider = {
    redirectUrl: `http://127.0.0.1:${listener.address().port}/callback`,
    get clientMetadata() {
        return {
            client_name: 'TypeScript SDK 1',
            redirect_uris: [this.redirectUrl],
            grant_types: ['authorization_code', 'refresh_token'],
            response_types: ['code'],
            token_endpoint_auth_method: 'none'
        };
    },
    clientMetadataUrl: process.env.EMCY_TEST_CLIENT_METADATA_URL || undefined,
    state: () => state,
    clientInformation: () => stored.client,
    saveClientInformation: (client) => store({ client }),
    tokens: () => stored.tokens,
    saveTokens: (tokens) => store({ tokens }),
    codeVerifier: () => stored.verifier,
    saveCodeVerifier: (verifier) => store({ verifier }),
    redirectToAuthorization: (address) => void spawn(process.env.BROWSER, [address.href], { stdio: 'inherit' })
};

async function stage(name, run) {
    try {
        console.log(JSON.stringify({ stage: name, ...(await run()) }));
    } catch (error) {
        console.log(JSON.stringify({ stage: name, error: `${error?.stack ?? error} ${error?.cause ?? ''}` }));
        process.exit(1);
    }
}

let client, transport;
async function connect() {
    client = new Client({ name: 'emcy-ts1', version: '1.0.0' });
    transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider });
    await client.connect(transport);
}

await stage('connect', async () => {
    try {
        await connect();
    } catch (error) {
        if (!(error instanceof UnauthorizedError)) throw error;
        const answer = await callback;
        if (answer.get('state') !== state) throw new Error('the state came back changed', { cause: error });
        if (!answer.has('code')) throw new Error(`no code: ${answer}`, { cause: error });
        await transport.finishAuth(answer.get('code'));
        await connect();
    }
    return { server: client.getServerVersion().name };
});
await stage('list', async () => ({ tools: (await client.listTools()).tools.map((tool) => tool.name) }));
await stage('call', async () => {
    const result = await client.callTool({ name: 'add', arguments: { a: 40, b: 2 } });
    const text = result.content[0].text;
    if (result.isError || Number(text) !== 42) throw new Error(`40 + 2 is ${text}`);
    return { text };
});
await transport.terminateSession();
await client.close();
listener.close();
listener.closeAllConnections();
