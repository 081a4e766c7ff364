// A small runtime on the MCP TypeScript SDK that stands behind Emcy Gateway. It
// serves both protocol eras on one URL.
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import { getCaller, workerContract } from '@emcy/worker';
import { localhostHostValidation, toNodeHandler } from '@modelcontextprotocol/node';
import { createMcpHandler, McpServer } from '@modelcontextprotocol/server';
import { z } from 'zod';

import { record } from './recorder.js';
import { registerTodoTools } from './todos.js';

const text = (value) => ({ content: [{ type: 'text', text: value }] });
const readOnly = { readOnlyHint: true };

function buildServer() {
    const server = new McpServer(
        { name: 'TypeScript example', version: '1.0.0' },
        { instructions: 'A few small tools, to try the gateway with.' }
    );

    server.registerTool(
        'add',
        {
            description: 'Adds two numbers.',
            inputSchema: z.object({ a: z.number(), b: z.number() }),
            annotations: readOnly
        },
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
            inputSchema: z.object({
                to: z.number().int().min(1).max(100).default(5),
                delay_ms: z.number().int().min(0).max(10_000).default(200)
            }),
            annotations: readOnly
        },
        async ({ to, delay_ms }, ctx) => {
            const progressToken = ctx.mcpReq._meta?.progressToken;
            for (let number = 1; number <= to; number++) {
                await sleep(delay_ms, undefined, { signal: ctx.mcpReq.signal });
                if (progressToken !== undefined) {
                    await ctx.mcpReq.notify({
                        method: 'notifications/progress',
                        params: { progressToken, progress: number, total: to, message: `counted to ${number}` }
                    });
                }
            }
            return text(`counted to ${to}`);
        }
    );

    if (process.env.TODO_API_URL) registerTodoTools(server, process.env.TODO_API_URL);
    return server;
}

const host = process.env.HOST ?? '127.0.0.1';
const port = Number(process.env.PORT ?? 9002);
const onLoopback = ['127.0.0.1', 'localhost', '::1'].includes(host);

const mcp = toNodeHandler(createMcpHandler(buildServer));
const localHost = localhostHostValidation();
const guard = workerContract(); // the adapter: this line, its import, and guard(...) around the handler

const server = createServer((req, res) => {
    record(req);
    guard(req, res, () => {
        if (new URL(req.url, 'http://runtime').pathname !== '/mcp') {
            res.writeHead(404, { 'Content-Type': 'application/json' }).end('{"error":"not_found"}');
            return;
        }
        if (onLoopback && !localHost(req, res)) return;
        mcp(req, res);
    });
});

server.listen(port, host, () => console.log(`TypeScript example: http://${host}:${server.address().port}/mcp`));

for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
        server.close(() => process.exit(0));
        server.closeAllConnections();
    });
}
