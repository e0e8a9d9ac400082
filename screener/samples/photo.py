"""Photographs a cut-out in a scene: perspective, shadow, light, lens, sensor noise."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from screener.samples.catalogue import Colour
from screener.samples.scenes import SCENE_COLOURS, SCENES, STANDING, Pixels, Size
from screener.samples.shading import Cutout
from screener.samples.texture import box_blur, sensor_noise

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Shot:
    """How a picture is taken: what a studio does, or what a seller's telephone does."""

    scene: str = "studio"
    colour: Colour | None = None
    size: Size = (800, 800)
    fill: float = 0.86  # the product's square, as a share of the picture's short side
    tilt: float = 0.0  # degrees the product is turned at most
    skew: float = 0.01  # how far its corners move in perspective, as a share of its side
    noise: float = 0.8  # standard deviation of the sensor noise, grey levels of 255
    blur: int = 0  # radius in pixels
    warmth: float = 0.0  # red against blue; negative is cold
    exposure: float = 1.0
    flash: float = 0.0
    close: bool = False  # come near the mark

    @property
    def standing(self) -> bool:
        return self.scene in STANDING


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture and the relative box x0, y0, x1, y1 of the mark in it, if one is wholly shown."""

    image: Image.Image
    mark_box: Box | None


def telephone(rng: np.random.Generator, *, scene: str | None = None) -> Shot:
    """A seller's own snapshot: another scene, angle and light each time."""
    chosen = scene or str(rng.choice(["wood", "cloth", "stone", "tiles", "bokeh", "shelf"]))
    standing = chosen in STANDING
    return Shot(
        scene=chosen,
        size=(800, 600) if standing and rng.random() < 0.5 else (640, 800),
        fill=float(rng.uniform(0.80, 0.94)),
        tilt=3.0 if standing else 17.0,
        skew=0.05,
        noise=float(rng.uniform(2.0, 5.5)),
        blur=int(rng.integers(0, 2)),
        warmth=float(rng.uniform(-0.05, 0.10)),
        exposure=float(rng.uniform(0.82, 1.08)),
        flash=float(rng.uniform(0.1, 0.35)) if rng.random() < 0.4 else 0.0,
    )


def take(cutout: Cutout, shot: Shot, rng: np.random.Generator) -> Photo:
    """Take one picture; the same generator state gives the same pixels."""
    width, height = shot.size
    colours = SCENE_COLOURS[shot.scene]
    colour = shot.colour or colours[int(rng.integers(len(colours)))]
    scene = SCENES[shot.scene](rng, shot.size, colour)
    corners = _corners(cutout, shot, rng)
    homography = _homography(corners, cutout.pixels.shape[0])
    product = Image.fromarray(cutout.pixels).transform(
        shot.size, Image.Transform.PERSPECTIVE, tuple(homography.ravel()[:8]), Image.Resampling.BILINEAR
    )
    scene *= (1 - _shadow(product.getchannel("A"), shot, rng))[..., None]
    scene *= 255
    ground = Image.fromarray(scene.astype(np.uint8))
    ground.paste(product, (0, 0), product)
    picture = _expose(np.array(ground, dtype=np.float32), shot, rng)
    return Photo(Image.fromarray(picture), _project(cutout, homography, (width, height)))


def _corners(cutout: Cutout, shot: Shot, rng: np.random.Generator) -> NDArray[np.float64]:
    """Where the cut-out's corners come to lie, in pixels (4, 2), clockwise from the top left."""
    width, height = shot.size
    side = shot.fill * min(width, height) * (1.9 if shot.close else 1.0)
    middle = np.array([width / 2, height * 0.5])
    square = np.array([[-0.5, -0.5], [0.5, -0.5], [0.5, 0.5], [-0.5, 0.5]]) * side
    square += rng.uniform(-1, 1, (4, 2)) * shot.skew * side
    angle = np.radians(rng.uniform(-shot.tilt, shot.tilt))
    turned = square @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    if shot.close and cutout.mark_box is not None:
        x0, y0, x1, y1 = cutout.mark_box
        middle = middle - (np.array([(x0 + x1) / 2, (y0 + y1) / 2]) - 0.5) * side
    else:
        rows = np.flatnonzero(cutout.pixels[..., 3].max(axis=1) > 128) / cutout.pixels.shape[0]
        low = float(rows[-1]) if rows.size else 1.0
        high = float(rows[0]) if rows.size else 0.0
        centre = 0.5 * height - ((low + high) / 2 - 0.5) * side
        ledge = height * float(rng.uniform(0.83, 0.89)) - (low - 0.5) * side
        middle[1] = ledge if shot.scene in ("bokeh", "shelf") else centre
        middle = middle + rng.uniform(-0.02, 0.02, 2) * min(width, height) * (1.0, 0.3)
    return np.asarray(turned + middle, dtype=np.float64)


def _homography(corners: NDArray[np.float64], side: int) -> NDArray[np.float64]:
    """The 3 x 3 map from picture pixels to cut-out pixels (what Pillow's perspective transform asks for)."""
    source = np.array([[0, 0], [side, 0], [side, side], [0, side]], dtype=np.float64)
    rows, target = [], []
    for (x, y), (u, v) in zip(corners, source, strict=True):
        rows += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        target += [u, v]
    return np.append(np.linalg.solve(np.array(rows), np.array(target)), 1.0).reshape(3, 3)


def _project(cutout: Cutout, homography: NDArray[np.float64], size: Size) -> Box | None:
    if cutout.mark_box is None:
        return None
    x0, y0, x1, y1 = (value * cutout.pixels.shape[0] for value in cutout.mark_box)
    points = np.linalg.inv(homography) @ np.array([[x0, x1, x1, x0], [y0, y0, y1, y1], [1, 1, 1, 1]], dtype=np.float64)
    flat = points[:2] / points[2] / np.array(size)[:, None]
    (left, top), (right, bottom) = flat.min(axis=1), flat.max(axis=1)
    if left < 0 or top < 0 or right > 1 or bottom > 1:
        return None
    return (round(float(left), 4), round(float(top), 4), round(float(right), 4), round(float(bottom), 4))


def _shadow(alpha: Image.Image, shot: Shot, rng: np.random.Generator) -> Pixels:
    """How much light the product takes from the scene (height, width), computed at a quarter of the size."""
    width, height = alpha.size
    small = np.asarray(alpha.reduce(4), dtype=np.float32) / np.float32(255)
    if not shot.standing:
        dx, dy = int(rng.integers(2, 5)), int(rng.integers(2, 5))
        near = box_blur(np.roll(small, (dy // 2, dx // 2), axis=(0, 1)), 1) * 0.45
        far = box_blur(np.roll(small, (dy * 2, dx * 2), axis=(0, 1)), 5) * 0.38
        shade = np.maximum(near, far)
    else:
        rows = np.flatnonzero(small.max(axis=1) > 0.5)
        base = int(rows[-1]) if rows.size else small.shape[0] - 1
        top = int(rows[0]) if rows.size else 0
        lying = max(2, (base - top) // 7)
        flat = np.asarray(Image.fromarray(small[top : base + 1]).resize((small.shape[1], lying), Image.Resampling.BOX))
        shade = np.zeros_like(small)
        start = max(0, min(base - lying * 2 // 3, small.shape[0] - lying))
        shade[start : start + lying] = flat
        contact = np.zeros_like(small)
        contact[max(0, base - 1) : base + 2] = small[max(0, base - 6) : base + 1].max(axis=0)
        shade = np.maximum(box_blur(shade, 4) * 0.45, box_blur(contact, 1) * 0.7)
    return np.asarray(Image.fromarray(shade.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))


def _expose(picture: Pixels, shot: Shot, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Light, lens and sensor over a picture of 0..255, which is changed in place."""
    height, width = picture.shape[:2]
    y = np.linspace(-1, 1, height, dtype=np.float32)[:, None]
    x = np.linspace(-1, 1, width, dtype=np.float32)[None, :]
    light = np.full((height, width), shot.exposure, dtype=np.float32)
    if shot.noise > 1.5:
        angle = float(rng.uniform(0, 2 * np.pi))
        light *= 1 + 0.12 * (x * np.cos(angle) + y * np.sin(angle)) - 0.10 * (x * x + y * y)
    if shot.flash:
        cx, cy = (float(place) for place in rng.uniform(-0.3, 0.3, 2))
        light += shot.flash * np.exp(-((x - cx) ** 2) / 0.10) * np.exp(-((y - cy) ** 2) / 0.10)
    for channel, tint in enumerate((1 + shot.warmth, 1.0, 1 - shot.warmth)):
        picture[..., channel] *= light * tint
    if shot.blur:
        sharp = Image.fromarray(np.clip(picture, 0, 255, out=picture).astype(np.uint8))
        small = sharp.resize((width * 3 // 4, height * 3 // 4), Image.Resampling.BILINEAR)
        picture = np.array(small.resize((width, height), Image.Resampling.BILINEAR), dtype=np.float32)
    picture += sensor_noise(rng, height, width)[..., None] * shot.noise + 0.5
    return np.clip(picture, 0, 255, out=picture).astype(np.uint8)
