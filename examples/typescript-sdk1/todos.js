import { getCaller, refuseUpstreamToken } from '@emcy/worker';
import { z } from 'zod';

const json = (value) => ({ content: [{ type: 'text', text: JSON.stringify(value) }] });

/** The tools over the Todo API, each with the caller's own token. */
export function registerTodoTools(server, api) {
    async function call(method, path, body) {
        const token = getCaller().upstreamAccessToken;
        if (token === null) throw new Error('You have not connected your Todo account.');
        const answer = await fetch(new URL(path, api), {
            method,
            headers: { Authorization: `Bearer ${token}`, ...(body ? { 'Content-Type': 'application/json' } : {}) },
            body: body && JSON.stringify(body),
            signal: AbortSignal.timeout(10_000)
        });
        if (answer.status === 401) refuseUpstreamToken();
        const value = await answer.json();
        if (!answer.ok) throw new Error(`The Todo API said: ${value.message}`);
        return value;
    }

    server.registerTool('list_todos', { description: 'Lists your todos.', annotations: { readOnlyHint: true } }, async () =>
        json(await call('GET', '/todos'))
    );

    server.registerTool(
        'add_todo',
        { description: 'Adds a todo to your list.', inputSchema: { title: z.string().min(1).max(200) } },
        async ({ title }) => json(await call('POST', '/todos', { title }))
    );
}
