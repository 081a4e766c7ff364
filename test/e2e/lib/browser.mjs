// Chromium with a profile of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { chromium } from 'playwright-core';

const FLAGS = [
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--disable-dev-shm-usage'
];

/** @param {{chromium: string, chromiumArgs?: string[], javaScript: boolean}} config */
export async function openBrowser(config) {
    const profile = mkdtempSync(join(tmpdir(), 'emcy-e2e-profile-'));
    const context = await chromium.launchPersistentContext(profile, {
        executablePath: config.chromium,
        headless: true,
        args: [...FLAGS, ...(config.chromiumArgs ?? [])],
        javaScriptEnabled: config.javaScript,
        serviceWorkers: 'block',
        viewport: { width: 1280, height: 900 },
        timeout: 60_000
    });
    context.setDefaultTimeout(20_000);
    context.setDefaultNavigationTimeout(30_000);
    return {
        context,
        async close() {
            await context.close();
            rmSync(profile, { recursive: true, force: true });
        }
    };
}
