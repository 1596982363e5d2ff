// Every page, in every state that the story brings it into: readable for everybody, on a phone, and by axe's rules.

import assert from 'node:assert/strict'
import { test } from 'node:test'

import { arrive, go, launch, open } from './browser.mjs'
import { Lethe, link, mia } from './lethe.mjs'
import { inspect } from './look.mjs'
import { apply, ask, read, signIn, work } from './story.mjs'

// What a job's stream says once, before it falls silent: the page stays as it is while it is looked at.
const silent = `retry: 600000
event: progress
data: ${JSON.stringify({ states: ['ExportDevices', 'Find'], lanes: [{ target: 'acme-android', area: 'devices', doing: 'exporting', pass: 1, done: 7000, total: 14000, found: 2 }] })}

`

test('every page in every state', async (t) => {
  const [browser, lethe] = await Promise.all([launch(t), Lethe.start(t)])
  const { context, page } = await open(browser, lethe.url, { bypassCSP: true })
  await context.route('**/events', (route) => route.fulfill({ contentType: 'text/event-stream', body: silent }))
  const wrong = []
  const seen = []
  const look = async (name) => {
    seen.push(name)
    wrong.push(...await inspect(page, name))
  }

  // Somebody who asks for something else, and somebody who thinks better of it.
  await go(page, '/')
  await page.getByLabel('Something else').check()
  await arrive(page, '/other', () => page.getByRole('button', { name: 'Send request' }).click())
  await look('other')
  const leo = await apply(lethe, page, { email: 'leo@example.net' })
  await arrive(page, `${leo}/cancel`, () => page.getByRole('link', { name: 'Cancel this request' }).click())
  await look('cancel?')
  await arrive(page, leo, () => page.getByRole('button', { name: 'Yes, cancel it' }).click())
  await look('status, cancelled')
  await go(page, `${leo}/cancel`, 409)
  await look('cancel, too late')

  const { status, verify } = await ask(lethe, page, look)
  await go(page, verify.slice(0, -1), 410)
  await look('verify, cut off')
  await go(page, status.slice(0, -1), 404)
  await look('status, cut off')

  await signIn(lethe, page, look)
  await go(page, `/console/requests/${status.split(/[/.]/)[2]}/deny`)
  await page.getByRole('button', { name: 'Deny the request' }).click()
  await page.getByRole('alert').waitFor()
  await look('request, denied without a ground')
  await go(page, '/console/nothing', 404)
  await look('console, no such page')
  await go(page, '/console')
  const { job } = await work(lethe, page, {
    status,
    look: async (name) => {
      await look(name)
      if (name === 'job, waiting') {
        const back = page.url()
        await go(page, status)
        await look('status, being looked at')
        await page.goto(back)
      }
      if (name === 'plan') {
        await page.locator('form').first().evaluate((form) => (form.noValidate = true))
        await page.getByRole('button', { name: /^Approve and delete/ }).click()
        await page.getByRole('alert').waitFor()
        await look('plan, approved without a look')
      }
    },
  })
  await go(page, `${job}/plan`, 404)
  await look('plan, of a job that is closed')
  await go(page, '/console?status=all')
  await look('console, ended requests')
  await go(page, '/console/sign-out')
  await look('sign out?')
  await read(lethe, page, { status, look })
  await page.locator('details').evaluate((details) => (details.open = true))
  await look('status, erased, how to check')

  assert.ok(seen.some((name) => /^job, (searching|deleting)$/.test(name)), 'a job while it works')
  assert.ok(new Set(seen).size === seen.length && seen.length > 30, `looked at: ${seen.join('; ')}`)
  assert.deepEqual(wrong, [])
})
