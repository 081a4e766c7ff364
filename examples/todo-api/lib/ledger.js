import { createHash } from 'node:crypto';

const counters = ['authorizations', 'codes', 'refreshes', 'reuses', 'refused', 'revocations', 'calls', 'callsRefused'];
const fingerprint = (token) => createHash('sha256').update(token).digest('hex');

/** What happened at the OAuth server and at the API, for tests to read. It holds no token. */
export class Ledger {
    #total;
    #people;
    /** Fingerprints of refresh tokens that were exchanged for others. */
    #spent = new Set();

    constructor() {
        this.clear();
    }

    clear() {
        this.#total = blank();
        this.#people = {};
    }

    count(what, person) {
        this.#total[what]++;
        if (person) {
            this.#people[person] ??= blank();
            this.#people[person][what]++;
        }
    }

    /** Notes a refresh that succeeded; where tokens rotate, the old one must never come again. */
    refreshed(token, rotates, person) {
        this.count('refreshes', person);
        if (rotates) this.#spent.add(fingerprint(token));
    }

    /** Notes a token request that was refused; a refresh token that was spent already is a reuse. */
    refused(token, spent, person) {
        this.count('refused', person);
        if (token && (spent || this.#spent.has(fingerprint(token)))) this.count('reuses', person);
    }

    read() {
        return { ...this.#total, people: this.#people };
    }
}

function blank() {
    return Object.fromEntries(counters.map((name) => [name, 0]));
}
