"""Pictures with their pixels, by Pillow 12.3 and NumPy 2.4: python make_pictures.py, which writes pictures.json beside this file."""

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image
rng = np.random.default_rng(5)
y, x = np.mgrid[0:16, 0:16]
rgb = np.stack([16*x, 16*y, 255-8*(x+y)], -1).clip(0,255).astype(np.uint8)
b = io.BytesIO()
Image.fromarray(rgb).save(b, 'JPEG', quality=90, subsampling=0)
jpg = b.getvalue()
dec = np.asarray(Image.open(io.BytesIO(jpg)).convert('RGB'))
b2 = io.BytesIO()
Image.fromarray(rgb).save(b2, 'JPEG', quality=90, subsampling=2, progressive=True)
jpg2 = b2.getvalue()
dec2 = np.asarray(Image.open(io.BytesIO(jpg2)).convert('RGB'))
# CMYK: 4 blocks of 8x8: white, red, cyan, black
c = np.zeros((8,32,4),np.uint8)
c[:, 8:16] = [0,255,255,0]; c[:,16:24] = [255,0,0,0]; c[:,24:] = [0,0,0,255]
b3 = io.BytesIO()
Image.fromarray(c, 'CMYK').save(b3,'JPEG',quality=95)
src = rng.integers(0,256,(7,5,3),dtype=np.uint8)
im = Image.fromarray(src)
out = {'jpeg': {'file': base64.b64encode(jpg).decode(), 'rgb': base64.b64encode(dec.tobytes()).decode()},
 'progressive': {'file': base64.b64encode(jpg2).decode(), 'rgb': base64.b64encode(dec2.tobytes()).decode()},
 'cmyk': base64.b64encode(b3.getvalue()).decode(),
 'resize': {'rgb': src.ravel().tolist(), 'size':[7,5],
   'to': [{'size':[3,2],'rgb': np.asarray(im.resize((2,3), Image.BILINEAR)).ravel().tolist()},
          {'size':[4,9],'rgb': np.asarray(im.resize((9,4), Image.BILINEAR)).ravel().tolist()},
          {'size':[1,1],'rgb': np.asarray(im.resize((1,1), Image.BILINEAR)).ravel().tolist()}],
   'luma': np.asarray(im.convert('L')).ravel().tolist()}}
json.dump(out, open(Path(__file__).with_name('pictures.json'), 'w'))
