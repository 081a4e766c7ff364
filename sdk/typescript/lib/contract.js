import { timingSafeEqual } from 'node:crypto';

import { InvalidAssertion, verifyAssertion } from './assertion.js';
import { KeySets, KeysUnavailable } from './keys.js';
import { digest, readSettings } from './settings.js';

/** An answer instead of the application's. */
export class Refusal {
    constructor(status, error, challenge) {
        this.status = status;
        this.body = JSON.stringify({ error });
        this.headers = {
            'Content-Type': 'application/json',
            'Content-Length': String(Buffer.byteLength(this.body)),
            'Cache-Control': 'no-store',
            ...(challenge ? { 'WWW-Authenticate': challenge } : {})
        };
    }
}

export const tokenRefused = new Refusal(401, 'upstream_token_refused', 'Bearer error="invalid_token"');

/** The rules of the contract, whatever way requests come in. */
export class Contract {
    #settings;
    #keys;
    #now;

    constructor({ env = process.env, keys, now = Date.now } = {}) {
        this.#settings = readSettings(env);
        this.#keys = new KeySets(now, keys);
        this.#now = now;
    }

    stripped(name) {
        return this.#settings.stripped(name);
    }

    /**
     * Gives a Refusal or a Caller; a promise of one only where an assertion is to be
     * checked.
     * @param {(name: string) => string[]} header the values that came under a name
     */
    admit(header) {
        const s = this.#settings;
        if (s.problem) return new Refusal(500, s.problem);
        const sent = Object.fromEntries(Object.entries(s.headers).map(([what, name]) => [what, header(name)]));
        const bySecret = s.secrets.length > 0 && (sent.secret.length > 0 || !(s.issuers.length > 0 && sent.assertion.length > 0));
        if (bySecret && !this.#valid(sent.secret)) return new Refusal(401, 'unauthorized', 'EmcyWorker error="invalid_secret"');
        if (s.issuers.length > 0 && (sent.assertion.length > 0 || !bySecret)) {
            return this.#claims(sent.assertion).then((claims) => (claims instanceof Refusal ? claims : this.#caller(sent, bySecret, claims)));
        }
        return this.#caller(sent, bySecret);
    }

    #valid(presented) {
        const wanted = digest(Buffer.from(presented.length === 1 ? presented[0] : '', 'latin1'));
        // Every secret is compared, and by digest, so that neither the number of
        // the one that matched nor its length can be told from the time it takes.
        let valid = false;
        for (const secret of this.#settings.secrets) {
            valid = timingSafeEqual(wanted, secret) || valid;
        }
        return valid;
    }

    async #claims(presented) {
        try {
            if (presented.length !== 1) throw new InvalidAssertion('none, or several');
            return await verifyAssertion(presented[0], this.#settings, this.#keys, this.#now() / 1000);
        } catch (error) {
            if (error instanceof KeysUnavailable) return new Refusal(503, 'worker_keys_unavailable');
            if (error instanceof InvalidAssertion) return new Refusal(401, 'unauthorized', 'EmcyWorker error="invalid_assertion"');
            throw error;
        }
    }

    #caller(sent, bySecret, claims) {
        if (Object.values(sent).some((values) => values.length > 1)) return new Refusal(400, 'repeated_header');
        const value = (what) => sent[what][0] || null;
        const text = (claim) => (typeof claim === 'string' && claim !== '' ? claim : null);
        let token = value('upstreamAccessToken');
        if (this.#settings.bearer) token = /^bearer +(.*\S)\s*$/i.exec(token ?? '')?.[1] ?? null;

        const caller = claims
            ? {
                  subject: claims.sub,
                  // The header is vouched for by the secret alone.
                  tenant: text(claims.tenant) ?? (bySecret ? unescaped(value('tenant')) : null),
                  client: text(claims.client_id),
                  requestId: value('requestId'),
                  scopes: Object.freeze((text(claims.scope) ?? '').split(' ').filter((scope) => scope !== '')),
                  issuer: claims.iss
              }
            : {
                  subject: unescaped(value('subject')),
                  tenant: unescaped(value('tenant')),
                  client: unescaped(value('client')),
                  requestId: value('requestId'),
                  scopes: null,
                  issuer: null
              };
        // Not enumerable: a caller that is logged or turned into JSON shows no token.
        Object.defineProperty(caller, 'assertion', { value: value('assertion') });
        Object.defineProperty(caller, 'upstreamAccessToken', { value: token });
        return Object.freeze(caller);
    }
}

function unescaped(value) {
    try {
        return value === null ? null : decodeURIComponent(value);
    } catch {
        return value; // nothing that the gateway escaped
    }
}
