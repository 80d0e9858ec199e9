import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { checkSite } from '../../scripts/site/check-site.js'
import { temporaryFolder } from '../helpers/folder.ts'

describe('the check of the built site', () => {
  let folder: string
  beforeEach(() => {
    folder = temporaryFolder()
  })

  const write = (name: string, html: string): void => {
    mkdirSync(dirname(join(folder, name)), { recursive: true })
    writeFileSync(join(folder, name), html)
  }

  it('is content with links to pages, to places in them, to other files and to other sites', () => {
    write('index.html', '<a href="pages/a.html">a</a> <a href="pages/a.html#b">b</a> <a href="https://zeromq.org">z</a> <img src="i.svg">')
    write('pages/a.html', '<h2 id="b">b</h2> <a href="#b">b</a> <a href="../index.html">home</a> <a href="../odd%20name.txt">odd</a>')
    write('i.svg', '')
    write('odd name.txt', '')
    expect(checkSite(folder)).toEqual([])
  })

  it('tells a page that is not there, a place that is not there, and a folder, which is none on a disk', () => {
    write('index.html', '<a href="b.html">b</a> <a href="#c">c</a> <a href="pages/a.html#c">c</a> <a href="pages/">pages</a>')
    write('pages/a.html', '')
    expect(checkSite(folder)).toEqual([
      'index.html: links to b.html, which is not there',
      'index.html: links to #c, which is not there',
      'index.html: links to pages/a.html#c, which is not there',
      'index.html: links to pages/, which is not there',
    ])
  })

  it('tells what is loaded from elsewhere: the site needs no network', () => {
    write('index.html', '<script src="https://cdn.example/a.js"></script> <link rel="stylesheet" href="//cdn.example/a.css">')
    expect(checkSite(folder)).toEqual(['index.html: loads cdn.example/a.js', 'index.html: loads cdn.example/a.css'])
  })
})
