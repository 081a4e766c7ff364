// A Todo REST API with an OAuth server of its own, both on one port: what a company
// might have behind its MCP server. README.md names the settings.
import { once } from 'node:events';
import { createServer } from 'node:http';

import { control } from './lib/controls.js';
import { HTTPError, send, sendJSON } from './lib/http.js';
import { interact } from './lib/interaction.js';
import { Ledger } from './lib/ledger.js';
import { enterClient, newOAuth, scopes } from './lib/oauth.js';
import { messagePage, pageHeaders } from './lib/pages.js';
import { readSettings } from './lib/settings.js';
import { Todos } from './lib/todos.js';

const settings = readSettings(process.env);
const server = createServer().listen(settings.port, settings.host);
await once(server, 'listening');
const issuer = settings.publicUrl ?? `http://${settings.host}:${server.address().port}`;

const ledger = new Ledger();
const provider = newOAuth({ issuer, settings, ledger });
const todos = new Todos({ provider, issuer, ledger });
const oauth = provider.callback();

async function answer(req, res) {
    const url = new URL(req.url, issuer);
    const path = url.pathname;
    if (path === '/todos' || path.startsWith('/todos/')) return todos.handle(req, res, path);
    if (path.startsWith('/interaction/')) return interact({ provider, settings }, req, res, path);
    if (settings.ledger && (path === '/ledger' || path.startsWith('/ledger/'))) return control({ provider, ledger }, req, res, url);
    if (path === '/.well-known/oauth-protected-resource') {
        return sendJSON(res, 200, { resource: issuer, authorization_servers: [issuer], scopes_supported: Object.keys(scopes), bearer_methods_supported: ['header'] });
    }
    if (path === '/sign-out') {
        const ended = ['todo_session', 'todo_session.sig'].map((name) => `${name}=; Path=/; Max-Age=0; HttpOnly; SameSite=Lax`);
        return send(res, 200, { ...pageHeaders, 'Set-Cookie': ended }, messagePage('Signed out', 'Go back to the app and connect again.'));
    }
    return oauth(req, res);
}

server.on('request', (req, res) => {
    answer(req, res).catch((error) => {
        if (res.headersSent) return res.destroy(error);
        if (error instanceof HTTPError) return sendJSON(res, error.status, { error: error.code, message: error.message }, error.headers);
        if (error.name === 'SessionNotFound') return send(res, 400, pageHeaders, messagePage('This page is over', 'Go back to the app and connect again.'));
        if (error.name === 'InvalidClientMetadata') return sendJSON(res, 400, { error: error.error, message: error.error_description });
        console.error(error);
        return sendJSON(res, 500, { error: 'server_error', message: 'Something went wrong.' });
    });
});

if (settings.client) await enterClient(provider, { client_name: 'Emcy Gateway', ...settings.client });
console.log(`Todo API: ${issuer} (issuer ${issuer})`);

for (const signal of ['SIGINT', 'SIGTERM']) {
    process.once(signal, () => {
        server.close(() => process.exit(0));
        server.closeAllConnections();
    });
}
