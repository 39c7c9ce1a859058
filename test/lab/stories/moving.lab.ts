import { movingTroubles } from '../moving-story.ts'
import { describeStory } from '../story-suite.ts'

describeStory('moving', 'a guest changes places and stays one guest', movingTroubles)
