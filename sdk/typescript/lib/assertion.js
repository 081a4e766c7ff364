import { createPublicKey, verify } from 'node:crypto';

const LIFE = 60; // seconds: the gateway signs for no longer
const SKEW = 30; // seconds by which two clocks may differ
const LIMIT = 16 << 10;

/** It is not the gateway's, not for this runtime, or its time is over. */
export class InvalidAssertion extends Error {}

/** Gives the claims of a valid assertion (RFC 7519, RFC 8725). `now` is in seconds. */
export async function verifyAssertion(token, { issuers, audiences }, keys, now) {
    const parts = token.split('.');
    if (token.length > LIMIT || parts.length !== 3) throw new InvalidAssertion('not a JWT');
    const [header, claims] = [object(parts[0]), object(parts[1])];
    const signature = decode(parts[2]);

    const { alg, kid, typ } = header;
    if (typ !== 'JWT' || (alg !== 'ES256' && alg !== 'RS256') || 'crit' in header || !text(kid)) throw new InvalidAssertion('header');
    if (!issuers.includes(claims.iss)) throw new InvalidAssertion('issuer');
    check(claims, audiences, now);

    const key = await keys.get(claims.iss, kid);
    if (!key || !signed(alg, key, Buffer.from(`${parts[0]}.${parts[1]}`), signature)) throw new InvalidAssertion('signature');
    return claims;
}

function check(claims, audiences, now) {
    if (![claims.aud].flat().some((audience) => audiences.includes(audience))) throw new InvalidAssertion('audience');
    const { exp } = claims;
    if (!Number.isFinite(exp) || exp <= now - SKEW || exp > now + LIFE + SKEW) throw new InvalidAssertion('expiry');
    for (const claim of ['iat', 'nbf']) {
        if (claim in claims && !(Number.isFinite(claims[claim]) && claims[claim] <= now + SKEW)) throw new InvalidAssertion(claim);
    }
    if (!text(claims.sub)) throw new InvalidAssertion('subject');
}

function signed(alg, jwk, data, signature) {
    if ((jwk.use ?? 'sig') !== 'sig' || (jwk.alg ?? alg) !== alg) return false;
    try {
        if (alg === 'ES256') {
            if (jwk.kty !== 'EC' || jwk.crv !== 'P-256') return false;
            const key = createPublicKey({ key: { kty: 'EC', crv: 'P-256', x: jwk.x, y: jwk.y }, format: 'jwk' });
            return verify('sha256', data, { key, dsaEncoding: 'ieee-p1363' }, signature);
        }
        if (jwk.kty !== 'RSA') return false;
        const key = createPublicKey({ key: { kty: 'RSA', n: jwk.n, e: jwk.e }, format: 'jwk' });
        return key.asymmetricKeyDetails.modulusLength >= 2048 && verify('sha256', data, key, signature);
    } catch {
        return false; // a key that is none
    }
}

function object(segment) {
    let value;
    try {
        value = JSON.parse(decode(segment).toString('utf8'));
    } catch {
        throw new InvalidAssertion('not JSON');
    }
    if (value === null || typeof value !== 'object' || Array.isArray(value)) throw new InvalidAssertion('not an object');
    return value;
}

function decode(segment) {
    if (!/^[A-Za-z0-9_-]+$/.test(segment)) throw new InvalidAssertion('not base64url');
    return Buffer.from(segment, 'base64url');
}

const text = (value) => typeof value === 'string' && value !== '';
