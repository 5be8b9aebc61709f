#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""An S3-compatible bucket for tests: PUT, and each signature checked.

    s3.py DIR REGION ACCESS-KEY SECRET-KEY [PEM]

What a signature has to be is computed here from the specification, "Authenticating Requests (AWS
Signature Version 4)" of the Amazon S3 API reference, and from nothing else. Objects stand in
DIR/bucket/..., the port in DIR/port; DIR/mode says what is answered: "200", another status, or
"hang". What must not happen - a wrong signature, another content under a name that is taken - is
written to DIR/wrong. With PEM, a certificate and its key, it speaks TLS.
"""
import calendar
import hashlib
import hmac
import http.server
import os
import ssl
import sys
import time

TOP, REGION, ACCESS, SECRET = sys.argv[1:5]
SERVICE = 's3'
SKEW = 15 * 60


def mac(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()


def signature_of(method, path, headers, signed, content_sha256):
    """The signature that such a request has to have."""
    date = headers['x-amz-date']
    canonical = '\n'.join([method, path, ''] +
                          ['%s:%s' % (name, ' '.join(headers[name].split())) for name in signed] +
                          ['', ';'.join(signed), content_sha256])
    scope = '/'.join([date[:8], REGION, SERVICE, 'aws4_request'])
    text = '\n'.join(['AWS4-HMAC-SHA256', date, scope,
                      hashlib.sha256(canonical.encode()).hexdigest()])
    key = ('AWS4' + SECRET).encode()
    for part in scope.split('/'):
        key = mac(key, part)
    return scope, mac(key, text).hex()


def fault(method, path, headers, body):
    """What is wrong with a request, or None."""
    kind, _, rest = headers.get('authorization', '').partition(' ')
    if kind != 'AWS4-HMAC-SHA256':
        return 'no signature'
    fields = dict(field.strip().split('=', 1) for field in rest.split(','))
    signed = fields['SignedHeaders'].split(';')
    content = hashlib.sha256(body).hexdigest()
    if signed != sorted(signed) or not {'host', 'x-amz-date',
                                        'x-amz-content-sha256'} <= set(signed):
        return 'these headers are signed: %s' % signed
    if headers['x-amz-content-sha256'] != content:
        return 'the content is not what is signed'
    age = time.time() - calendar.timegm(time.strptime(headers['x-amz-date'], '%Y%m%dT%H%M%SZ'))
    if abs(age) > SKEW:
        return 'the signature is of another time'
    scope, expected = signature_of(method, path, headers, signed, content)
    if fields['Credential'] != ACCESS + '/' + scope:
        return 'the credential is %s' % fields['Credential']
    if not hmac.compare_digest(fields['Signature'], expected):
        return 'the signature is wrong'
    return None


def note(text):
    with open(TOP + '/wrong', 'a') as file:
        print(text, file=file)


class Bucket(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'

    def answer(self, status, code):
        body = b'' if status == 200 else ('<Error><Code>%s</Code></Error>' % code).encode()
        self.send_response(status)
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def keep(self, body):
        path = TOP + self.path
        if '..' in self.path or not self.path.startswith('/bucket/'):
            return note('the path is ' + self.path)
        if os.path.exists(path) and open(path, 'rb').read() != body:
            note('other content for ' + self.path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path + '.tmp', 'wb') as file:
            file.write(body)
        return os.rename(path + '.tmp', path)

    def do_PUT(self):
        body = self.rfile.read(int(self.headers['Content-Length']))
        headers = {name.lower(): value for name, value in self.headers.items()}
        with open(TOP + '/mode') as file:
            mode = file.read().strip()
        wrong = fault('PUT', self.path, headers, body)
        if wrong:
            note(wrong)
            self.answer(403, 'SignatureDoesNotMatch')
        elif mode == 'hang':
            time.sleep(3600)
        elif mode != '200':
            self.answer(int(mode), 'SlowDown')
        else:
            self.keep(body)
            self.answer(200, '')

    def log_message(self, *args):
        pass


def main():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Bucket)
    server.daemon_threads = True
    if len(sys.argv) > 5:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(sys.argv[5])
        server.socket = context.wrap_socket(server.socket, server_side=True)
    with open(TOP + '/port.tmp', 'w') as file:
        print(server.server_port, file=file)
    os.rename(TOP + '/port.tmp', TOP + '/port')
    server.serve_forever()


main()
