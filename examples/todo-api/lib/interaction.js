import { timingSafeEqual } from 'node:crypto';

import { HTTPError, readBody, send } from './http.js';
import { grantTo, scopes } from './oauth.js';
import { consentPage, pageHeaders, signInPage } from './pages.js';

/** The two pages between an app's request and its answer: who you are, and whether you agree. */
export async function interact({ provider, settings }, req, res, path) {
    const action = path.split('/')[3];
    const details = await provider.interactionDetails(req, res);
    const { uid, prompt, params, session, grantId } = details;
    const client = await provider.Client.find(params.client_id);
    const app = client?.clientName ?? params.client_id;
    const html = (status, body) => send(res, status, pageHeaders, body);

    if (req.method === 'GET' && action === undefined) {
        if (prompt.name === 'login') return html(200, signInPage({ uid, app, people: settings.people }));
        const wants = (params.scope ?? '').split(' ').flatMap((scope) => scopes[scope] ?? []);
        const { host } = new URL(params.redirect_uri);
        return html(200, consentPage({ uid, app, person: session.accountId, wants: wants.length > 0 ? wants : ['Know who you are'], host }));
    }
    if (req.method === 'POST' && action === 'login') {
        const form = new URLSearchParams(await readBody(req));
        const login = (form.get('login') ?? '').trim().toLowerCase();
        if (!settings.people.includes(login) || !same(form.get('password') ?? '', settings.password)) {
            return html(403, signInPage({ uid, app, people: settings.people, problem: 'The name or the password is wrong.' }));
        }
        return provider.interactionFinished(req, res, { login: { accountId: login } }, { mergeWithLastSubmission: false });
    }
    if (req.method === 'POST' && action === 'decide' && prompt.name === 'consent') {
        const form = new URLSearchParams(await readBody(req));
        if (form.get('decision') !== 'allow') {
            return provider.interactionFinished(req, res, { error: 'access_denied', error_description: 'The person said no.' });
        }
        return provider.interactionFinished(req, res, { consent: { grantId: await grantTo(provider, { session, params, grantId }) } });
    }
    throw new HTTPError(404, 'not_found', 'There is no such page.');
}

function same(given, wanted) {
    const [a, b] = [Buffer.from(given), Buffer.from(wanted)];
    return a.length === b.length && timingSafeEqual(a, b);
}
