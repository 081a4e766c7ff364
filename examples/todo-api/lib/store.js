import { errors } from 'oidc-provider';

const kept = new Map();
const expired = (entry) => entry.until !== undefined && entry.until <= Date.now();

/**
 * Where the OAuth server keeps what it issued: in memory, all of it gone when the
 * process ends. One instance per kind of thing, as oidc-provider wants it.
 */
export class Store {
    constructor(kind) {
        this.kind = kind;
    }

    async find(id) {
        return this.#entry(id)?.payload;
    }

    async findByUid(uid) {
        for (const [, { payload }] of this.#mine()) {
            if (payload.uid === uid) return payload;
        }
        return undefined;
    }

    async findByUserCode() {
        return undefined;
    }

    async upsert(id, payload, seconds) {
        kept.set(`${this.kind}:${id}`, { payload, until: seconds === undefined ? undefined : Date.now() + seconds * 1000 });
    }

    /** A token that is redeemed twice at the same moment is redeemed once. */
    async consume(id) {
        const entry = this.#entry(id);
        if (!entry || entry.payload.consumed) throw new errors.InvalidGrant(`${this.kind} already used`);
        entry.payload.consumed = Math.floor(Date.now() / 1000);
    }

    async destroy(id) {
        kept.delete(`${this.kind}:${id}`);
    }

    async revokeByGrantId(grantId) {
        for (const [key, { payload }] of this.#mine()) {
            if (payload.grantId === grantId) kept.delete(key);
        }
    }

    /** Forgets every entry that the test function is true for, and tells how many. */
    forget(test) {
        let count = 0;
        for (const [key, { payload }] of this.#mine()) {
            if (test(payload)) {
                kept.delete(key);
                count++;
            }
        }
        return count;
    }

    #entry(id) {
        const entry = kept.get(`${this.kind}:${id}`);
        if (entry && expired(entry)) {
            kept.delete(`${this.kind}:${id}`);
            return undefined;
        }
        return entry;
    }

    *#mine() {
        for (const [key, entry] of kept) {
            if (expired(entry)) kept.delete(key);
            else if (key.startsWith(`${this.kind}:`)) yield [key, entry];
        }
    }
}
