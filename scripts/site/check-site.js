/** Every link of the built site leads to a file that is there, and to a place in it; and nothing is fetched from elsewhere. */

import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

/** @param {string} folder @returns {string[]} the faults, each as `page: what` */
export function checkSite(folder) {
  const pages = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.html'))
  const html = new Map(pages.map((name) => [join(folder, name), readFileSync(join(folder, name), 'utf8')]))
  const places = new Map([...html].map(([file, text]) => [file, new Set([...text.matchAll(/\sid="([^"]+)"/g)].map(([, id]) => id))]))

  return [...html].flatMap(([file, text]) => {
    /** @param {string} what */
    const fault = (what) => `${relative(folder, file)}: ${what}`
    const loaded = [...text.matchAll(/<(?:script|img|link|iframe)\b[^>]*\s(?:src|href)="(?:https?:)?\/\/([^"]*)"/g)]
    const links = [...text.matchAll(/\s(?:href|src)="([^"]+)"/g)].map(([, url = '']) => url.replaceAll('&amp;', '&'))
    const broken = links.filter((url) => {
      if (/^(?:[a-z]+:|\/\/)/i.test(url)) return false
      const [path = '', place = ''] = url.split('#')
      const target = path === '' ? file : join(dirname(file), decodeURI(path))
      if (!existsSync(target) || statSync(target).isDirectory()) return true
      return place !== '' && target.endsWith('.html') && !places.get(target)?.has(decodeURIComponent(place))
    })
    return [
      ...loaded.map(([, url]) => fault(`loads ${url}`)),
      ...[...new Set(broken)].map((url) => fault(`links to ${url}, which is not there`)),
    ]
  })
}
