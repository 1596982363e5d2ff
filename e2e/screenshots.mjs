// The pictures in the README: npm run screenshots. Each run makes them again, with its own ids and dates in them.

import assert from 'node:assert/strict'
import { mkdir, stat } from 'node:fs/promises'
import path from 'node:path'

import { launch, open } from './browser.mjs'
import { Lethe } from './lethe.mjs'
import { ask, read, signIn, work } from './story.mjs'

const folder = path.join(import.meta.dirname, '../docs/images')
// CSS pixels.
const width = 1000
const tallest = 1150
const margin = 32

const ends = []
const made = []
const run = { after: (end) => ends.unshift(end) }
try {
  await mkdir(folder, { recursive: true })
  const [browser, lethe] = await Promise.all([launch(run), Lethe.start(run)])
  const { context, page } = await open(browser, lethe.url, { viewport: { width, height: 900 }, deviceScaleFactor: 1.5, colorScheme: 'light' })

  // shoot takes the page from one element's top to another one's end, as far as a README has room.
  const shoot = async (name, first, last) => {
    await page.evaluate(() => {
      document.activeElement.blur()
      scrollTo(0, 0)
    })
    const [top, end] = await Promise.all([first.boundingBox(), last.boundingBox()])
    const y = Math.max(0, top.y - margin)
    made.push(name)
    const file = path.join(folder, `${name}.png`)
    await page.screenshot({ path: file, fullPage: true, clip: { x: 0, y, width, height: Math.min(tallest, end.y + end.height + margin - y) } })
    console.log(`${path.relative(process.cwd(), file)}: ${Math.ceil((await stat(file)).size / 1024)} KiB`)
  }
  // A job goes on while the picture of its page is taken. The page must not, nor load itself again when the job ends.
  await context.addInitScript(() => {
    window.EventSource = class extends EventSource {
      constructor(url) {
        super(url)
        window.hold = () => this.close()
      }
      addEventListener(type, ...rest) {
        if (type !== 'end') super.addEventListener(type, ...rest)
      }
    }
  })
  const whole = page.locator('header')
  const look = async (name) => {
    switch (name) {
      case 'form':
        return shoot('form', whole, page.locator('form'))
      case 'plan':
        return shoot('plan', page.locator('#entries'), page.locator('form').last())
      case 'job, deleting':
        await page.locator('#live-states', { hasNotText: 'RequestApproval' }).waitFor()
        await page.evaluate(() => window.hold())
        return shoot('console', whole, page.locator('#live'))
      case 'status, erased':
        return shoot('status', whole, page.locator('footer'))
    }
  }
  const { status } = await ask(lethe, page, look)
  await signIn(lethe, page)
  await work(lethe, page, { status, look })
  await read(lethe, page, { status, look })
  assert.equal(made.length, 4, 'the job ended before its picture was taken: try again')
} finally {
  for (const end of ends) await end()
}
