// The whole way of one request, as a person and an operator go it. On it, look is called with a name for each page and
// state, while it is there.

import assert from 'node:assert/strict'
import path from 'node:path'
import { writeFile } from 'node:fs/promises'

import { arrive, getsFocus, go, tabTo } from './browser.mjs'
import { link, mia, until } from './lethe.mjs'

/** fillIn fills in the form and sends it, by keyboard alone; typed is by field. */
export async function fillIn(page, typed) {
  for (const [name, text] of Object.entries(typed)) {
    const field = page.locator(`input[name=${name}]`)
    await tabTo(page, field)
    await page.keyboard.press('Control+A')
    await page.keyboard.type(text)
  }
  await page.keyboard.press('Enter')
}

/** apply sends the form and confirms by the mail's link. It gives the path of the status page, where the page is then. */
export async function apply(lethe, page, typed, look = () => {}) {
  await go(page, '/')
  await arrive(page, '/sent', () => fillIn(page, typed))
  await look('sent')
  const letter = await lethe.mail(typed.email, 'verify')
  await go(page, link(letter, lethe.url))
  await look('verify')
  await arrive(page, /^\/status\//, async () => {
    await tabTo(page, page.getByRole('button', { name: 'Yes, erase my data' }))
    await page.keyboard.press('Enter')
  })
  return new URL(page.url()).pathname
}

/** badge is the state of a request or job, in the word of its page. */
export const badge = (page) => page.locator('main .badge').first().innerText()

/** ask is the way up to the status page of a confirmed request. It gives { status, verify }, the paths of two pages. */
export async function ask(lethe, page, look = () => {}) {
  await go(page, '/')
  await look('form')

  // What is wrong is said above the form, which a screen reader is told, and beside the field. What was typed stays.
  await fillIn(page, { email: 'mia', phone: '12', account: mia.account })
  const problems = page.getByRole('alert')
  await problems.waitFor()
  await getsFocus(problems, 'the list of problems has not got the focus')
  assert.match(await page.title(), /^Error/)
  for (const [name, text, wrong] of [['email', 'mia', true], ['phone', '12', true], ['account', mia.account, false]]) {
    const field = page.locator(`input[name=${name}]`)
    assert.equal(await field.inputValue(), text, `what was typed as ${name}`)
    assert.equal(await field.getAttribute('aria-invalid'), wrong ? 'true' : null, `${name} is marked as wrong`)
  }
  await look('form with problems')
  await problems.getByRole('link').first().focus()
  await page.keyboard.press('Enter')
  await getsFocus(page.locator('input[name=email]'), 'a problem does not lead to its field')

  await arrive(page, '/sent', () => fillIn(page, { email: mia.email, phone: mia.phone }))
  await look('sent')

  const letter = await lethe.mail(mia.email, 'verify')
  const verify = link(letter, lethe.url)
  // Programs that look at a mail's links confirm nothing.
  await go(page, verify)
  await go(page, verify)
  assert.equal(await page.getByRole('button').count(), 1, 'the link still asks')
  await look('verify')
  await arrive(page, /^\/status\//, async () => {
    await tabTo(page, page.getByRole('button'))
    await page.keyboard.press('Enter')
  })
  const status = new URL(page.url()).pathname
  assert.equal(await badge(page), 'Waiting to start')
  assert.equal((await page.content()).includes(mia.email), false, 'the status page does not name the person')
  await look('status, pending')

  await go(page, verify)
  assert.equal(await page.getByRole('button').count(), 0, 'the link works once')
  await look('verify, used')

  const received = link(await lethe.mail(mia.email, 'status'), lethe.url)
  assert.equal(new URL(received).pathname, status, 'the mail leads to the status page')
  return { status, verify }
}

/** signIn signs in to the console, with a wrong token first. The page is then the overview. */
export async function signIn(lethe, page, look = () => {}) {
  await go(page, '/console')
  assert.equal(new URL(page.url()).pathname, '/console/sign-in')
  await look('sign in')
  const token = page.getByLabel('Token')
  await token.fill('wrong')
  await token.press('Enter')
  await page.getByRole('alert').waitFor()
  await look('sign in, wrong token')
  await token.fill(lethe.token)
  await arrive(page, '/console', () => token.press('Enter'))
}

/**
 * work takes the request through the console, where a job's page is followed by 'itself', by its 'link' or by 'reload'. It
 * gives the paths of two pages: { request, job }.
 */
export async function work(lethe, page, { status, by = 'reload', look = () => {} }) {
  await page.getByRole('link', { name: /^1 pending$/ }).waitFor()
  await look('console')
  const listed = page.locator('table').filter({ hasText: 'Came by' }).locator('tbody tr')
  assert.equal(await listed.count(), 1, 'requests that are open')
  assert.match(await listed.innerText(), /pending/)
  await arrive(page, /^\/console\/requests\//, () => listed.getByRole('link').first().click())
  const request = new URL(page.url()).pathname
  assert.ok(status.includes(request.split('/').at(-1)), 'the console lists the request that the person follows')
  for (const typed of [mia.email, mia.account]) assert.ok((await page.content()).includes(typed), 'whoever has to check the details sees them')
  await look('request, pending')
  for (const act of ['extend', 'deny', 'cancel', 'leave-out']) {
    await go(page, `${request}/${act}`)
    await look(`request, ${act}?`)
  }

  // Only the e-mail address was verified. A sweep leaves the request until somebody has checked the account id and the number.
  const sweep = async () => {
    await go(page, '/console')
    await arrive(page, '/console/sweep', () => page.getByRole('link', { name: /Start a sweep/ }).click())
  }
  await sweep()
  await look('sweep, of nothing?')
  await arrive(page, '/console', () => page.getByRole('button', { name: 'Start the sweep' }).click())
  await look('console, nothing to sweep')
  await go(page, request)
  await arrive(page, `${request}/vouch`, () => page.locator(`a[href="${request}/vouch"]`).click())
  await look('request, vouch?')
  await arrive(page, request, () => page.locator('main form').getByRole('button').click())
  assert.equal((await page.content()).includes(mia.email), false, 'once a word is said, the console names nobody')
  await look('request, vouched for')

  await sweep()
  await look('sweep?')
  await arrive(page, /^\/console\/jobs\//, () => page.getByRole('button', { name: 'Start the sweep' }).click())
  const job = new URL(page.url()).pathname
  await follow(page, 'waits for approval', by, look)
  await look('job, waiting')

  await arrive(page, `${job}/plan`, () => page.getByRole('link', { name: 'Look at the plan' }).click())
  await readPlan(page)
  await look('plan')
  await page.getByLabel('I have looked at the whole plan').first().check()
  await arrive(page, job, () => page.getByRole('button', { name: /^Approve and delete/ }).click())
  await follow(page, 'closed', by, look)
  assert.match(await page.getByRole('row').filter({ hasText: 'approved' }).innerText(), /\byou\b/, 'who approved is written down')
  await look('job, closed')

  await go(page, request)
  assert.equal(await badge(page), 'erased')
  const outcomes = await page.locator('table').filter({ hasText: 'Outcome' }).innerText()
  assert.match(outcomes, /acme-android\s+devices\s+verified absent/)
  assert.match(outcomes, /acme-batch-android\s+profile\s+order accepted/)
  await look('request, erased')
  return { request, job }
}

// follow waits until a job's page says how the job stands. The page changes by itself, by its link, or by being loaded again.
async function follow(page, state, by, look) {
  if (await badge(page) === 'working') await look(state === 'closed' ? 'job, deleting' : 'job, searching')
  const there = page.locator('h1 .badge', { hasText: state })
  if (by === 'itself') return there.waitFor()
  return until(`the job's page to say ${state}`, async () => {
    if (await there.count()) return true
    await (by === 'link' ? page.getByRole('link', { name: 'Reload' }).click() : page.reload())
    return undefined
  })
}

// readPlan looks whether the plan names what the e-mail address leads to, and what only the account id does.
async function readPlan(page) {
  assert.equal(await badge(page), 'waits for approval')
  const plan = (await page.locator('table.plan tbody tr:not(.group)').allInnerTexts()).join('\n')
  assert.match(plan, /devices\s+e-mail/)
  assert.match(plan, new RegExp(`${mia.account}\\s+profile\\s+ordered by user`))
  assert.doesNotMatch(plan, /not verified/)
}

/** read is the person's end: the status page, and the certificate. It gives the files { certificate, keys }. */
export async function read(lethe, page, { status, look = () => {} }) {
  await go(page, status)
  assert.equal(await badge(page), 'Erased')
  await look('status, erased')
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('link', { name: 'Download certificate' }).click()])
  const certificate = path.join(lethe.folder, 'mia.jws')
  await download.saveAs(certificate)
  const keys = path.join(lethe.folder, 'jwks.json')
  await writeFile(keys, await (await fetch(`${lethe.url}/.well-known/jwks.json`)).text())
  return { certificate, keys }
}
