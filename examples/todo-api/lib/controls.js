import { HTTPError, readJSON, sendJSON } from './http.js';
import { enterClient } from './oauth.js';

/**
 * What tests read and steer, only where TODO_LEDGER=on:
 *
 *   GET    /ledger                        the counts
 *   DELETE /ledger                        counts from zero
 *   PUT    /ledger/clients/{client_id}    enters a client: {client_secret, redirect_uris, client_name}
 *   DELETE /ledger/access-tokens[?person] access tokens end now; refresh tokens stay
 *   DELETE /ledger/grants[?person]        everything that a person (or anybody) allowed ends now
 */
export async function control({ provider, ledger }, req, res, url) {
    const person = url.searchParams.get('person');
    const mine = (payload) => person === null || payload.accountId === person;
    const [, , kind, id] = url.pathname.split('/');
    switch (`${req.method} ${kind ?? ''}`) {
        case 'GET ':
            return sendJSON(res, 200, ledger.read());
        case 'DELETE ':
            ledger.clear();
            return sendJSON(res, 204);
        case 'PUT clients':
            return sendJSON(res, 200, await enterClient(provider, { ...(await readJSON(req)), client_id: decodeURIComponent(id ?? '') }));
        case 'DELETE access-tokens':
            return sendJSON(res, 200, { ended: provider.AccessToken.adapter.forget(mine) });
        case 'DELETE grants': {
            provider.AccessToken.adapter.forget(mine);
            provider.RefreshToken.adapter.forget(mine);
            return sendJSON(res, 200, { ended: provider.Grant.adapter.forget(mine) });
        }
        default:
            throw new HTTPError(404, 'not_found', 'The ledger has no such page.');
    }
}
