// The service under test: `lethe demo --serve` in a process of its own, on a data directory of its own.

import { spawn, execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { promisify } from 'node:util'

const binary = path.resolve(process.env.LETHE ?? path.join(import.meta.dirname, '../build/lethe'))

// The person whom the demo leaves alone, and who asks here. The phone number is nobody's: it is one of those that Germany
// keeps for films.
export const mia = { email: 'mia.schulz@example.org', account: 'AT-1003456', phone: '+49 30 23125 017' }

/** until asks again and again until the answer is not undefined, and gives it. It fails after 20 seconds. */
export async function until(what, ask) {
  const end = Date.now() + 20_000
  for (;;) {
    const answer = await ask()
    if (answer !== undefined) return answer
    if (Date.now() > end) throw new Error(`waited 20 seconds for ${what}`)
    await pause(50)
  }
}

/** A service that listens. */
export class Lethe {
  #process
  #said = ''
  #ended

  /** start runs the demo's story, which takes some seconds, and waits until the service listens. t is a test: its end stops it. */
  static async start(t) {
    await stat(binary).catch(() => {
      throw new Error(`there is no ${binary}: make build, or set LETHE to the binary`)
    })
    const lethe = new Lethe()
    lethe.folder = await mkdtemp(path.join(tmpdir(), 'lethe-e2e-'))
    t.after(() => lethe.#stop())
    await lethe.#run()
    return lethe
  }

  async #run() {
    // Its log goes into the same text: what it said is all there is to see when a test fails.
    this.#process = spawn(binary, ['demo', '--serve', '--data', path.join(this.folder, 'data')], { stdio: ['ignore', 'pipe', 'pipe'] })
    for (const stream of [this.#process.stdout, this.#process.stderr]) stream.setEncoding('utf8').on('data', (text) => (this.#said += text))
    process.once('exit', () => this.#process.kill('SIGKILL')) // of the tests, when they break off
    let over = false
    this.#ended = once(this.#process, 'exit').finally(() => (over = true))
    try {
      // The token is the last thing that it says before it only logs.
      const [, url, token] = await until('the service', () => {
        if (over) throw new Error('lethe ended before it listened')
        return this.#said.match(/^ {2}Form +(http:\/\/127\.0\.0\.1:\d+)$[^]*^ {2}([A-Z2-7]{20,})$/m) ?? undefined
      })
      this.url = url
      this.token = token
    } catch (error) {
      error.message += `\n${this.#said}`
      throw error
    }
  }

  /** log is what the service wrote so far, on both streams. */
  get log() {
    return this.#said
  }

  async #stop() {
    this.#process.kill('SIGINT')
    const [code, signal] = await Promise.race([this.#ended, pause(20_000, ['late'], { ref: false })])
    if (code === 'late') this.#process.kill('SIGKILL')
    await rm(this.folder, { recursive: true, force: true })
    if (code === 'late' || signal) throw new Error(`lethe did not end by itself after an interrupt (${signal ?? 'it went on'})`)
  }

  /** mails gives all that were sent, the oldest first, as { to, subject, language, text }. */
  async mails() {
    const folder = path.join(this.folder, 'data', 'mail')
    const names = (await readdir(folder)).filter((name) => name.endsWith('.eml')).sort()
    return Promise.all(names.map(async (name) => readMail(await readFile(path.join(folder, name), 'latin1'))))
  }

  /** mail waits for one to an address that has a link of this kind in it: verify or status. */
  async mail(to, kind) {
    return until(`a mail to ${to} with a link to ${kind}`, async () =>
      (await this.mails()).findLast((mail) => mail.to === to && mail.text.includes(`${this.url}/${kind}`)))
  }

  /** verify runs `lethe verify` and gives { code, said }. */
  async verify(certificate, keys) {
    try {
      const { stdout } = await promisify(execFile)(binary, ['verify', certificate, '--key', keys])
      return { code: 0, said: stdout }
    } catch (error) {
      return { code: error.code, said: error.stdout + error.stderr }
    }
  }
}

/** link finds the one link of a mail that leads to the service. */
export function link(mail, url) {
  const links = mail.text.split('\n').filter((line) => line.startsWith(url))
  if (links.length !== 1) throw new Error(`the mail has ${links.length} links to the service`)
  return links[0]
}

// readMail reads what package mail writes: bytes of 7bit or quoted-printable, one part, encoded words in the subject.
function readMail(bytes) {
  const [head, body] = splitOnce(bytes.replaceAll('\r\n', '\n'), '\n\n')
  const field = (name) => head.replace(/\n[ \t]+/g, ' ').match(new RegExp(`^${name}: (.*)$`, 'mi'))?.[1] ?? ''
  const utf8 = (text) => Buffer.from(text, 'latin1').toString('utf8')
  const hex = (text) => utf8(text.replace(/=([0-9A-F]{2})/g, (_, byte) => String.fromCharCode(parseInt(byte, 16))))
  return {
    to: field('To').replace(/[<>]/g, ''),
    subject: field('Subject').replace(/\?= =\?/g, '?==?').replace(/=\?utf-8\?q\?(.*?)\?=/gi, (_, word) => hex(word.replaceAll('_', ' '))),
    language: field('Content-Language'),
    text: field('Content-Transfer-Encoding') === 'quoted-printable' ? hex(body.replace(/=\n/g, '')) : utf8(body),
  }
}

function splitOnce(text, by) {
  const at = text.indexOf(by)
  return [text.slice(0, at), text.slice(at + by.length)]
}
