// A small runtime on the MCP TypeScript SDK 1.x and Express that stands behind Emcy
// Gateway. It keeps sessions, as the protocol revisions before 2026-07-28 have them.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';

import { getCaller, workerContract } from '@emcy/worker';
import { McpServer } from '@modelcontextprotocol/sdk/server/mcp.js';
import { localhostHostValidation } from '@modelcontextprotocol/sdk/server/middleware/hostHeaderValidation.js';
import { StreamableHTTPServerTransport } from '@modelcontextprotocol/sdk/server/streamableHttp.js';
import { isInitializeRequest } from '@modelcontextprotocol/sdk/types.js';
import express from 'express';
import { z } from 'zod';

import { record } from './recorder.js';
import { registerTodoTools } from './todos.js';

const text = (value) => ({ content: [{ type: 'text', text: value }] });
const readOnly = { readOnlyHint: true };

function buildServer() {
    const server = new McpServer(
        { name: 'TypeScript 1.x example', version: '1.0.0' },
        { instructions: 'A few small tools, to try the gateway with.' }
    );

    server.registerTool(
        'add',
        { description: 'Adds two numbers.', inputSchema: { a: z.number(), b: z.number() }, annotations: readOnly },
        ({ a, b }) => text(String(a + b))
    );

    server.registerTool('now', { description: 'Tells the time at the runtime, in UTC.', annotations: readOnly }, () =>
        text(new Date().toISOString())
    );

    server.registerTool(
        'whoami',
        { description: 'Tells who is asking, as the gateway vouched for it to this runtime.', annotations: readOnly },
        () => {
            const { subject, tenant, client, requestId } = getCaller();
            return text(JSON.stringify({ subject, tenant, client, request_id: requestId }));
        }
    );

    server.registerTool(
        'slow_count',
        {
            description: 'Counts slowly and reports its progress while it does.',
            inputSchema: {
                to: z.number().int().min(1).max(100).default(5),
                delay_ms: z.number().int().min(0).max(10_000).default(200)
            },
            annotations: readOnly
        },
        async ({ to, delay_ms }, { _meta, signal, sendNotification }) => {
            for (let number = 1; number <= to; number++) {
                await sleep(delay_ms, undefined, { signal });
                if (_meta?.progressToken !== undefined) {
                    await sendNotification({
                        method: 'notifications/progress',
                        params: { progressToken: _meta.progressToken, progress: number, total: to, message: `counted to ${number}` }
                    });
                }
            }
            return text(`counted to ${to}`);
        }
    );

    if (process.env.TODO_API_URL) registerTodoTools(server, process.env.TODO_API_URL);
    return server;
}

const sessions = new Map();

async function newSession() {
    const transport = new StreamableHTTPServerTransport({
        sessionIdGenerator: randomUUID,
        onsessioninitialized: (id) => sessions.set(id, transport),
        onsessionclosed: (id) => sessions.delete(id)
    });
    await buildServer().connect(transport);
    return transport;
}

const host = process.env.HOST ?? '127.0.0.1';
const port = Number(process.env.PORT ?? 9003);

const app = express();
app.disable('x-powered-by');
app.use((req, res, next) => {
    record(req);
    next();
});
app.use(workerContract()); // the adapter: this line and its import
if (['127.0.0.1', 'localhost', '::1'].includes(host)) app.use(localhostHostValidation());
app.use(express.json({ limit: '1mb' }));
app.all('/mcp', async (req, res) => {
    const id = req.headers['mcp-session-id'];
    const starts = id === undefined && [req.body].flat().some(isInitializeRequest);
    const transport = starts ? await newSession() : sessions.get(id);
    if (!transport) {
        res.status(id === undefined ? 400 : 404).json({ jsonrpc: '2.0', error: { code: -32000, message: 'There is no such session.' }, id: null });
        return;
    }
    await transport.handleRequest(req, res, req.body);
});

const server = app.listen(port, host, () => console.log(`TypeScript 1.x example: http://${host}:${server.address().port}/mcp`));

for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
        server.close(() => process.exit(0));
        server.closeAllConnections();
    });
}
